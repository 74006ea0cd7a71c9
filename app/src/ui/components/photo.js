const taken = async (input) => {
  const files = Array.from(input.files);
  input.value = '';
  for (let n = 0; n < files.length; n++) {
    const bytes = new Uint8Array(await files[n].arrayBuffer());
    dioxus.send(['begin', [n + 1, files.length, bytes.length].join(' ')]);
    // A multiple of three, so that each piece is whole base64.
    for (let at = 0; at < bytes.length; at += 196608) {
      const part = bytes.subarray(at, at + 196608);
      let text = '';
      for (let i = 0; i < part.length; i += 8192) text += String.fromCharCode.apply(null, part.subarray(i, i + 8192));
      dioxus.send(['piece', btoa(text)]);
    }
    dioxus.send(['end', '']);
  }
};
for (const id of ['p-INPUT', 'g-INPUT']) {
  const input = document.getElementById(id);
  if (!input) continue;
  input.addEventListener('click', (event) => {
    event.stopPropagation();
    dioxus.send(['press', '']);
  });
  input.addEventListener('input', (event) => event.stopPropagation());
  input.addEventListener('change', (event) => {
    event.stopPropagation();
    taken(input);
  });
  // Whoever was quicker than this script.
  if (input.files.length) taken(input);
}
await new Promise(() => {});
