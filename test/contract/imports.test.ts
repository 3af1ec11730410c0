import { readdirSync, readFileSync } from "node:fs";
import { join, posix, resolve, sep } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

/** Every import of a file, dynamic ones and types too. Paths are from the root, packages by name. */
function importsOf(from: string): Import[] {
  const text = readFileSync(join(root, from), "utf8");
  const imports: Import[] = [];
  const add = (specifier: ts.Node | undefined, typeOnly: boolean) => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    const { text } = specifier;
    const to = text.startsWith(".") ? posix.join(posix.dirname(from), text) : text;
    imports.push({ from, to, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node))
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      add(node.argument.literal, true);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false);
    else if (ts.isCallExpression(node) && node.expression.getText() === "require")
      add(node.arguments[0], false);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(from, text, ts.ScriptTarget.Latest, true));
  return imports;
}

/** The files in a folder and below, as paths from the root. */
function filesIn(folder: string): string[] {
  const names = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
  return names
    .map((name) => `${folder}/${name.split(sep).join("/")}`)
    .filter((path) => /\.[a-z]+$/.test(path));
}

const files = filesIn("src");
const imports = files.flatMap(importsOf);
const show = ({ from, to }: Import) => `${from} -> ${to}`;

/** Imports go from a lower layer number to a higher one, or stay within their folder. */
const layers: Record<string, number> = {
  main: 0,
  program: 1,
  commands: 2,
  cli: 3,
  endpoints: 3,
  probes: 3,
  flow: 4,
};
const leaves = ["errors", "events", "ip", "terminal"];

/** "src/flow/stages/crlf.ts" is of "flow", "src/main.ts" of "main". */
const partOf = (path: string) => /^src\/([^/.]+)/.exec(path)?.[1] ?? path;

describe("imports within src", () => {
  test("are there to be looked at", () => {
    expect(files.length).toBeGreaterThan(30);
    expect(imports.map(show)).toContain("src/program.ts -> src/commands/tcp-listen.ts");
    expect(imports.map(show)).toContain(
      "src/commands/tcp-listen.ts -> src/commands/run/listener.ts",
    );
  });

  test("name files that exist", () => {
    const missing = imports.filter(({ to }) => to.startsWith("src/") && !files.includes(to));
    expect(missing.map(show)).toEqual([]);
  });

  test("run one way: main, program, commands, then cli and endpoints and probes, then flow", () => {
    const wrong = imports.filter(({ from, to }) => {
      if (!to.startsWith("src/")) return false;
      const [source, target] = [partOf(from), partOf(to)];
      if (leaves.includes(target) || (source === target && source in layers)) return false;
      return !((layers[source] ?? Infinity) < (layers[target] ?? -Infinity));
    });
    expect(wrong.map(show)).toEqual([]);
  });

  test("every folder and file at the top has its place", () => {
    const parts = new Set(files.map(partOf));
    expect([...parts].filter((part) => !(part in layers) && !leaves.includes(part))).toEqual([]);
  });

  test("errors, events, ip and terminal import nothing of ours, but for types of each other", () => {
    const own = imports.filter(({ from }) => leaves.includes(partOf(from)));
    expect(
      own
        .filter(({ to, typeOnly }) => !(typeOnly && leaves.includes(partOf(to))))
        .filter(({ from, to }) => !(partOf(from) === "terminal" && to.startsWith("node:")))
        .map(show),
    ).toEqual([]);
  });

  test("lead nowhere outside, but for the version in package.json", () => {
    const outside = imports.filter(
      ({ to }) => to.startsWith(".") || (to.includes("/") && !/^(src\/|node:|@)/.test(to)),
    );
    expect(outside.filter(({ to }) => to !== "package.json").map(show)).toEqual([]);
    expect(imports.filter(({ to }) => to === "package.json").map(({ from }) => from)).toEqual([
      "src/program.ts",
    ]);
  });
});

test("packages are used only where they belong", () => {
  const packages = imports.filter(({ to }) => !/^(src\/|node:)/.test(to) && to !== "package.json");
  const onlyIn = new Map([
    ["chalk", "src/cli/reporter.ts"],
    ["@peculiar/x509", "src/endpoints/temporary-certificate.ts"],
    ["reflect-metadata", "src/endpoints/temporary-certificate.ts"],
    ["mime-types", "src/endpoints/http-answers.ts"],
    ["send", "src/endpoints/http-folder.ts"],
    ["socks", "src/endpoints/socks-proxy.ts"],
  ]);
  const allowed = (from: string, to: string) =>
    onlyIn.get(to) === from ||
    (to === "commander" && ["main", "program", "commands", "cli"].includes(partOf(from)));
  expect(packages.filter(({ from, to }) => !allowed(from, to)).map(show)).toEqual([]);
  expect(packages.map(({ to }) => to)).toEqual(expect.arrayContaining(["chalk", "commander"]));
});

test("bin loads the bundle and nothing else of ours", () => {
  const loaded = filesIn("bin").flatMap(importsOf);
  expect(loaded.filter(({ to }) => !to.startsWith("node:")).map(show)).toEqual([]);
  const text = readFileSync(join(root, "bin/portcat.js"), "utf8");
  expect(text.match(/(?<=__dirname\}).*(?=`)/g)).toEqual(["/../dist/portcat.js"]);
});

test("src has no barrel files, and no folder for things without a place", () => {
  const names = files.flatMap((file) => file.split("/").slice(1));
  expect(
    names.filter((name) => /^(index\.ts|utils?|helpers?|common|shared|lib)(\.ts)?$/.test(name)),
  ).toEqual([]);
});
