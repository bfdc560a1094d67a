// A real MicroPython interpreter (the WebAssembly build, under Node) that works for another process.
//
//   node tests/micropython/serve.mjs MICROPYTHON_MJS
//
// tests/micropython/board/far_side.py runs on it. What that says to the module `far_line` goes out as
// one line on stdout; the next line from stdin is the answer. Ends with stdin.

import { readdirSync, readFileSync, readSync, writeSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const REPOSITORY = path.resolve(HERE, "../..");
const { loadMicroPython } = await import(pathToFileURL(path.resolve(process.argv[2])));

const chunk = Buffer.alloc(65536);
let received = "";

function exchange(line) {
  writeSync(1, line + "\n");
  let end;
  while ((end = received.indexOf("\n")) < 0) {
    const count = readSync(0, chunk, 0, chunk.length, null);
    if (count === 0) process.exit(0);
    received += chunk.toString("utf8", 0, count);
  }
  const answer = received.slice(0, end);
  received = received.slice(end + 1);
  return answer;
}

function copy(fs, from, to) {
  fs.mkdirTree(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = path.join(from, entry.name);
    if (entry.isDirectory()) copy(fs, source, `${to}/${entry.name}`);
    else if (entry.name.endsWith(".py")) fs.writeFile(`${to}/${entry.name}`, readFileSync(source));
  }
}

const micropython = await loadMicroPython({
  heapsize: 2 * 1024 * 1024,
  stdout: (line) => console.error(line),
  stderr: (line) => console.error(line),
});
for (const folder of ["protocols", "agent"]) {
  copy(micropython.FS, path.join(REPOSITORY, folder), `/${folder}`);
}
copy(micropython.FS, path.join(HERE, "board"), "/tests/micropython/board");
micropython.registerJsModule("far_line", { exchange });
micropython.runPython('import sys\nsys.path.insert(0, "/")\nfrom tests.micropython.board.far_side import serve\nserve()');
