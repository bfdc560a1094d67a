// A real MicroPython interpreter (the WebAssembly build, under Node) that works for another process.
//
//   node tests/micropython/serve.mjs MICROPYTHON_MJS [MODULE [SOURCES [HEAP_KIB]]]
//
// MODULE of tests/micropython/board (far_side) runs on it, with the packages agent and protocols of the
// folder SOURCES (the repository), or of the image of a release, which is run in place. What that says to the module `far_line` goes out as
// one line on stdout; the next line from stdin is the answer. Ends with stdin.

import { readdirSync, readFileSync, readSync, statSync, writeSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const REPOSITORY = path.resolve(HERE, "../..");
const module = process.argv[3] ?? "far_side";
const sources = process.argv[4] ?? REPOSITORY;
const heapKib = Number(process.argv[5] ?? 2048);
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
    else if (/\.m?py$/.test(entry.name)) fs.writeFile(`${to}/${entry.name}`, readFileSync(source));
  }
}

// The image lies outside of the interpreter's heap, as in the flash of a board.
function mountInPlace(image) {
  const address = micropython._module._malloc(image.length);
  micropython._module.HEAPU8.set(image, address);
  micropython.runPython(`
import sys, uctypes, vfs
vfs.mount(vfs.VfsRom(uctypes.bytearray_at(${address}, ${image.length})), "/app", readonly=True)
sys.path.insert(0, "/app")
`);
}

const micropython = await loadMicroPython({
  heapsize: heapKib * 1024,
  stdout: (line) => console.error(line),
  stderr: (line) => console.error(line),
});
if (statSync(sources).isFile()) mountInPlace(readFileSync(sources));
else for (const folder of ["protocols", "agent"]) copy(micropython.FS, path.join(sources, folder), `/${folder}`);
copy(micropython.FS, path.join(HERE, "board"), "/tests/micropython/board");
micropython.registerJsModule("far_line", { exchange });
micropython.runPython(`
import sys
sys.path.insert(0, "/")
import tests.micropython.board.${module} as served
handle = getattr(served, "handle", None)
serve = getattr(served, "serve", None)
`);
const handle = micropython.globals.get("handle");
if (handle) {
  // Every command on its own: this interpreter collects garbage only when no Python is running.
  for (let line = exchange('{"ready": "micropython"}'); ; line = exchange(handle(line)));
}
micropython.globals.get("serve")();
