import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { checkReach } from './tidy/reach.ts'
import { checkImports } from './tidy/rooms.ts'
import { checkCatches, checkShape } from './tidy/shape.ts'
import { type Finding, parseSource, type Source, type Tree } from './tidy/source.ts'
import { checkTestSwitches, checkTexts, checkWording } from './tidy/wording.ts'
import { checkWorld } from './tidy/world.ts'

export type { Finding, Tree } from './tidy/source.ts'

const RULES = [
  checkImports,
  checkWorld,
  checkShape,
  checkCatches,
  checkWording,
  checkTestSwitches,
] satisfies readonly ((source: Source) => readonly Finding[])[]

/** The house rules that no other tool knows, over a whole tree of files. Generated files are not judged. */
export function tidy(tree: Tree): readonly Finding[] {
  const sources: Source[] = []
  const findings: Finding[] = []
  for (const [path, text] of tree) {
    if (!/\.(ts|mjs)$/.test(path)) continue
    const source = parseSource(path, text)
    if ('message' in source) findings.push(source)
    else sources.push(source)
  }
  const written = sources.filter(({ path }) => !path.endsWith('.generated.ts'))
  findings.push(...written.flatMap((source) => RULES.flatMap((rule) => rule(source))))
  findings.push(...checkReach(sources, tree).filter(({ path }) => !path.endsWith('.generated.ts')))
  findings.push(...checkTexts(tree))
  return findings.sort((a, b) => (a.path === b.path ? a.line - b.line : a.path < b.path ? -1 : 1))
}

/**
 * The files of the checkout, or of one folder of it, without the folders that .gitignore names. Works without git.
 * Paths are from the root either way.
 */
export function readTree(root: string, folder = ''): Tree {
  const ignored = new Set([
    '.git',
    ...(readFileSync(join(root, '.gitignore'), 'utf8').match(/^.+(?=\/$)/gm) ?? []),
  ])
  const tree = new Map<string, string>()
  const folders = [folder]
  for (const folder of folders) {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = posix.join(folder, entry.name)
      if (entry.isDirectory() && !ignored.has(entry.name)) folders.push(path)
      if (entry.isFile()) tree.set(path, readFileSync(join(root, path), 'utf8'))
    }
  }
  return tree
}

if (import.meta.main) {
  const findings = tidy(readTree(join(import.meta.dirname, '..')))
  for (const { path, line, message } of findings) console.log(`${path}:${line} ${message}`)
  console.log(findings.length === 0 ? 'tidy: nothing to say' : `tidy: ${findings.length} to put right`)
  process.exitCode = findings.length === 0 ? 0 : 1
}
