// Start an image from a slot on a real MicroPython interpreter, as boards/boot.py does.
//
//   node tests/micropython/slot.mjs MICROPYTHON_MJS FOLDER PROGRAM
//
// FOLDER becomes the interpreter's file system: the boot part, and flash as files. PROGRAM is what
// it runs there. Exit 1 where that raises.

import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [interpreter, folder, program] = process.argv.slice(2);
const { loadMicroPython } = await import(pathToFileURL(path.resolve(interpreter)));
const micropython = await loadMicroPython({
  heapsize: 512 * 1024,
  stdout: (line) => console.log(line),
  stderr: (line) => console.error(line),
});

function copy(from, to) {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = path.join(from, entry.name);
    const target = `${to}/${entry.name}`;
    if (entry.isDirectory()) {
      micropython.FS.mkdirTree(target);
      copy(source, target);
    } else micropython.FS.writeFile(target, readFileSync(source));
  }
}

copy(folder, "");
try {
  await micropython.runPythonAsync(readFileSync(path.join(folder, program), "utf8"));
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
