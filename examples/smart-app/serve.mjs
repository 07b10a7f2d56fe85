// Serves the app on http://127.0.0.1:8081/, or the port that is given.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const files = {
  "/": ["app/index.html", "text/html; charset=utf-8"],
  "/launch.html": ["app/launch.html", "text/html; charset=utf-8"],
  "/launch.js": ["app/launch.js", "text/javascript"],
  "/app.js": ["app/app.js", "text/javascript"],
  "/app.css": ["app/app.css", "text/css"],
  "/fhir-client.js": [createRequire(import.meta.url).resolve("fhirclient/build/fhir-client.js"), "text/javascript"],
};

export function serve(port) {
  const server = createServer(async (request, response) => {
    const file = files[new URL(request.url, "http://app").pathname];
    if (!file) {
      response.writeHead(404).end();
      return;
    }
    const body = await readFile(file[0].startsWith("/") ? file[0] : new URL(file[0], import.meta.url));
    response.writeHead(200, { "Content-Type": file[1], "Cache-Control": "no-store" }).end(body);
  });
  return new Promise((done) => server.listen(port, "127.0.0.1", () => done(server)));
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const server = await serve(Number(process.argv[2] ?? 8081));
  console.log(`open http://127.0.0.1:${server.address().port}/launch.html?iss=http://127.0.0.1:8080/fhir`);
}
