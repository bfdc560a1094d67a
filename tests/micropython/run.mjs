// Run plain test files on a real MicroPython interpreter (the WebAssembly build, under Node).
//
//   node tests/micropython/run.mjs MICROPYTHON_MJS tests/protocols/test_cbor.py ...
//
// Each file gets an interpreter of its own, with the repository's portable folders in its file
// system. Every `test_*` function is called, `async def` ones are awaited. One line a test on
// stdout, tracebacks on stderr; exit 1 when one failed, or when a file holds no test.

import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const REPOSITORY = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const FOLDERS = ["protocols", "agent", "simulators", "tests/protocols", "tests/agent", "tests/examples"];
const FILES = /\.(py|json|hex|bin|cbor|txt)$/;
// A board has 100 to 400 KiB; the tests hold simulated flash and vectors beside the code.
const HEAP_SIZE = 8 * 1024 * 1024;

const [interpreter, ...testFiles] = process.argv.slice(2);
const { loadMicroPython } = await import(pathToFileURL(path.resolve(interpreter)));

let failures = 0;
for (const file of testFiles) {
  failures += await runFile(file);
}
process.exit(failures ? 1 : 0);

async function runFile(file) {
  const micropython = await loadMicroPython({
    heapsize: HEAP_SIZE,
    stdout: (line) => console.log(line),
    stderr: (line) => console.error(line),
  });
  for (const folder of FOLDERS) copy(micropython.FS, folder);
  const module = file.replace(/\.py$/, "").split(path.sep).join(".");
  try {
    // The last expression's value does not come back from an async run: a global carries it.
    await micropython.runPythonAsync(driver(module, file));
    return micropython.globals.get("failures");
  } catch (error) {
    console.log(`FAILED ${file}`);
    console.error(error.message);
    return 1;
  }
}

function copy(fs, folder) {
  const from = path.join(REPOSITORY, folder);
  if (!statSync(from, { throwIfNoEntry: false })?.isDirectory()) return;
  fs.mkdirTree(`/${folder}`);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const name = `${folder}/${entry.name}`;
    if (entry.isDirectory()) copy(fs, name);
    else if (FILES.test(entry.name)) fs.writeFile(`/${name}`, readFileSync(path.join(REPOSITORY, name)));
  }
}

function driver(module, file) {
  return `
import sys
sys.path.insert(0, "/")
module = __import__("${module}", None, None, ("*",))
names = sorted(name for name in dir(module) if name.startswith("test_"))
failures = 0 if names else 1
if not names:
    print("FAILED ${file}: it holds no test")
for name in names:
    try:
        result = getattr(module, name)()
        if hasattr(result, "send"):
            await result
        print("passed ${file}::" + name)
    except Exception as error:
        failures += 1
        print("FAILED ${file}::" + name)
        sys.print_exception(error, sys.stderr)
`;
}
