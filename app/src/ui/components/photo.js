const input = document.getElementById('INPUT_ID');
if (input) {
  input.addEventListener('click', (event) => event.stopPropagation());
  input.addEventListener('input', (event) => event.stopPropagation());
  input.addEventListener('change', async (event) => {
    event.stopPropagation();
    const files = Array.from(input.files);
    input.value = '';
    for (const file of files) {
      const bytes = new Uint8Array(await file.arrayBuffer());
      dioxus.send(['begin', String(bytes.length)]);
      // A multiple of three, so that each piece is whole base64.
      for (let at = 0; at < bytes.length; at += 196608) {
        const part = bytes.subarray(at, at + 196608);
        let text = '';
        for (let i = 0; i < part.length; i += 8192) text += String.fromCharCode.apply(null, part.subarray(i, i + 8192));
        dioxus.send(['piece', btoa(text)]);
      }
      dioxus.send(['end', '']);
    }
  });
}
await new Promise(() => {});
