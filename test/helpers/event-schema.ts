import { resolve } from "node:path";
import ts from "typescript";

const path = resolve(import.meta.dirname, "../../src/events.ts");
const program = ts.createProgram([path], {
  strict: true,
  exactOptionalPropertyTypes: true,
  target: ts.ScriptTarget.ES2023,
  types: [],
});
const checker = program.getTypeChecker();

/** The kinds of events, each a type of an object. */
const variants = variantsOf("Event");

function variantsOf(name: string): readonly ts.Type[] {
  const file = program.getSourceFile(path);
  const declaration = file?.statements.find(
    (each) => ts.isTypeAliasDeclaration(each) && each.name.text === name,
  );
  if (declaration === undefined) throw new Error(`${path} has no type ${name}`);
  const type = checker.getTypeAtLocation(declaration);
  return type.isUnion() ? type.types : [type];
}

const propertyOf = (type: ts.Type, name: string) => {
  const symbol = type.getProperty(name);
  return symbol && checker.getTypeOfSymbol(symbol);
};

function nameOf(variant: ts.Type): string {
  const type = propertyOf(variant, "event");
  if (type?.isStringLiteral() !== true) throw new Error("an event without a name");
  return type.value;
}

/** What src/events.ts says: the fields of each event, of all its forms together. */
export const eventFields = new Map<string, string[]>();
for (const variant of variants) {
  const fields = variant.getProperties().map((property) => property.name);
  const all = [...(eventFields.get(nameOf(variant)) ?? []), ...fields];
  eventFields.set(
    nameOf(variant),
    [...new Set(all)].filter((field) => field !== "event"),
  );
}

/** Whether an event is of one of the types of src/events.ts: no field missing, wrong or too many. */
export function isEvent(event: unknown): boolean {
  return variants.some((variant) => fits(event, variant));
}

function fits(value: unknown, type: ts.Type): boolean {
  if (type.isUnion()) return type.types.some((each) => fits(value, each));
  if (type.isStringLiteral() || type.isNumberLiteral()) return value === type.value;
  if (type.flags & ts.TypeFlags.BooleanLiteral)
    return checker.typeToString(type) === String(value) && typeof value === "boolean";
  if (type.flags & ts.TypeFlags.Null) return value === null;
  if (type.flags & ts.TypeFlags.String) return typeof value === "string";
  if (type.flags & ts.TypeFlags.Number) return typeof value === "number";
  if (typeof value !== "object" || value === null) return false;
  if (checker.isTupleType(type)) {
    const elements = checker.getTypeArguments(type as ts.TypeReference);
    return (
      Array.isArray(value) &&
      value.length === elements.length &&
      elements.every((element, i) => fits(value[i], element))
    );
  }
  if (checker.isArrayType(type)) {
    const [element] = checker.getTypeArguments(type as ts.TypeReference);
    return Array.isArray(value) && value.every((each) => element && fits(each, element));
  }
  const fields = value as Record<string, unknown>;
  const properties = checker.getPropertiesOfType(type);
  return (
    Object.keys(fields).every((name) => properties.some((property) => property.name === name)) &&
    properties.every((property) =>
      property.name in fields
        ? fits(fields[property.name], checker.getTypeOfSymbol(property))
        : (property.flags & ts.SymbolFlags.Optional) !== 0,
    )
  );
}
