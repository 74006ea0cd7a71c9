// Uploads a file as anybody's program would, going on where the line broke; says what it was answered, and where to.
import { createReadStream, statSync } from "node:fs";
import tus from "tus-js-client";

const [endpoint, token, file, hash] = process.argv.slice(2);
const upload = new tus.Upload(createReadStream(file), {
  endpoint,
  uploadSize: statSync(file).size,
  headers: { Authorization: `Bearer ${token}` },
  metadata: { hash, filetype: "image/jpeg" },
  // No waiting between attempts; as many as something came through before each.
  retryDelays: [0, 0, 0],
  onAfterResponse: (request, response) =>
    console.log(request.getMethod(), response.getStatus(), response.getHeader("Upload-Offset")),
  onError: (error) => {
    console.error(String(error));
    process.exit(1);
  },
  onSuccess: () => console.log("done", upload.url),
});
upload.start();
