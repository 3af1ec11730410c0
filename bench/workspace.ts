import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { temporaryCertificate } from "../src/endpoints/temporary-certificate.ts";
import { MiB } from "./cell.ts";
import { complain } from "./report.ts";

/** Folders for as long as the benchmark runs. */
export interface Workspace {
  /** Compiled far ends. */
  ends: string;
  /** For UNIX sockets; short, as their paths must be. */
  folder: string;
  /** For large files; in memory where there is a tmpfs. */
  files: string;
  /** A file of so many bytes, made when first asked for. */
  inputFile(bytes: number): string;
  /** Paths of a certificate for localhost and of its key, made when first asked for. */
  certificate(): Promise<{ cert: string; key: string }>;
  remove(): void;
}

/** Where Linux has a file system that is memory. */
const memory = "/dev/shm";

function makeFolder(parent: string): string | undefined {
  try {
    return mkdtempSync(join(parent, "portcat-bench-"));
  } catch {
    return undefined;
  }
}

/** True if the file system has so much room; containers often have a small /dev/shm. */
function hasRoom(folder: string, bytes: number): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize >= bytes;
  } catch {
    return false;
  }
}

/**
 * Makes the folders and compiles the far ends.
 *
 * @param filesBytes - what large files may take
 * @throws what the compiler says
 */
export function makeWorkspace(filesBytes: number): Workspace {
  const folder = makeFolder(tmpdir());
  if (folder === undefined) throw new Error(`no folder can be made in ${tmpdir()}`);
  const files = (hasRoom(memory, filesBytes) ? makeFolder(memory) : undefined) ?? folder;
  if (files === folder)
    complain(`no room for files in ${memory}: cells with a file depend on the disk`);
  const remove = () => {
    rmSync(folder, { recursive: true, force: true });
    rmSync(files, { recursive: true, force: true });
  };
  try {
    const sources = join(__dirname, "ends");
    for (const source of readdirSync(sources).filter((name) => name.endsWith(".c"))) {
      const program = join(folder, basename(source, ".c"));
      execFileSync("cc", ["-O2", "-pthread", "-o", program, join(sources, source), "-ldl"], {
        stdio: ["ignore", "ignore", "pipe"],
      });
    }
  } catch (error) {
    remove();
    throw error;
  }
  const inputFile = (bytes: number) => {
    const path = join(files, `input-${String(bytes)}`);
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) return path;
    const block = Buffer.alloc(MiB, "portcat ");
    const file = openSync(path, "wx");
    for (let left = bytes; left > 0; left -= block.length)
      writeSync(file, block, 0, Math.min(left, block.length));
    closeSync(file);
    return path;
  };
  let certificate: Promise<{ cert: string; key: string }> | undefined;
  const makeCertificate = async () => {
    const { cert, key } = await temporaryCertificate();
    const paths = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
    writeFileSync(paths.cert, cert);
    writeFileSync(paths.key, key, { mode: 0o600 });
    return paths;
  };
  return {
    ends: folder,
    folder,
    files,
    inputFile,
    certificate: () => (certificate ??= makeCertificate()),
    remove,
  };
}
