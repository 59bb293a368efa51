/**
 * What the declarations of a package show. The types of a public module name no type of the inside, which users could not
 * import, and no unstable one. The modules for sister packages pass on what they name.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const specifier = /\b(?:from|import)\s*\(?\s*"(?<module>[^"]+)"/g

const folder = (/** @type {ReadonlyArray<string>} */ names) => new RegExp(`/(?:${names.join("|")})/`)

const modulesNamed = (/** @type {string} */ text) =>
  [...text.matchAll(specifier)].map(({ groups }) => groups?.["module"] ?? "")

const declarations = (/** @type {string} */ directory) =>
  readdirSync(directory).filter((file) => file.endsWith(".d.ts")).map((file) => ({
    file,
    text: readFileSync(join(directory, file), "utf8")
  }))

/** The public modules of a built package that name what they must not, each with what it names. */
export const leaks = (/** @type {string} */ dist) => {
  const hasUnstable = readdirSync(dist).includes("unstable")
  return [
    ...declarations(dist).map(({ file, text }) => ({
      file,
      named: modulesNamed(text).filter((name) => folder(["internal", "unstable"]).test(name))
    })),
    ...(hasUnstable ? declarations(join(dist, "unstable")) : []).map(({ file, text }) => ({
      file: `unstable/${file}`,
      named: modulesNamed(text.replaceAll(/^export (?:type )?\{[^}]*\} from .*$/gm, ""))
        .filter((name) => folder(["internal"]).test(name))
    }))
  ].filter(({ named }) => named.length > 0).map(({ file, named }) => `${file}: ${named.join(", ")}`)
}
