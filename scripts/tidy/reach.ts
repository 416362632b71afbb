import { posix } from 'node:path'
import { type Finding, finding, type Import, importsOf, literalOf, type Source, type Tree } from './source.ts'

const TEST_FILE = /^test\/.*\.(test|itest|atest)\.ts$/

/** The public door of adapters: its types are there for authors, whether or not the box uses each. */
const PUBLIC = ['adapters/contract.ts']

type Graph = Readonly<{
  sources: ReadonlyMap<string, Source>
  imports: ReadonlyMap<string, readonly Import[]>
}>

/** Files that nothing starts or imports, exports that nothing imports, and files that the package cannot find. */
export function checkReach(sources: readonly Source[], tree: Tree): readonly Finding[] {
  const graph: Graph = {
    sources: new Map(sources.map((source) => [source.path, source])),
    imports: new Map(sources.map((source) => [source.path, importsOf(source)])),
  }
  const dead = deadFiles(graph, tree)
  const deadPaths = new Set(dead.map(({ path }) => path))
  const idle = deadExports(graph).filter(({ path }) => !deadPaths.has(path))
  return [...dead, ...idle, ...sources.flatMap(unpackagedPaths)]
}

function deadFiles(graph: Graph, tree: Tree): readonly Finding[] {
  const manifest = tree.get('package.json') ?? ''
  const entries = [...graph.sources.keys()].filter(
    (path) => TEST_FILE.test(path) || path === 'vitest.config.ts' || manifest.includes(path),
  )
  const reached = new Set(entries)
  // The set grows while it is walked.
  for (const path of reached) {
    const source = graph.sources.get(path)
    if (source) for (const target of mentioned(source)) if (graph.sources.has(target)) reached.add(target)
  }
  return [...graph.sources.values()]
    .filter(({ path }) => !reached.has(path))
    .map((source) => finding(source, 0, 'is reached from no entry point and no test; use it or delete it'))
}

/**
 * Files named by any text in a file: imports, workers and programs that it starts, and what it serves to a browser,
 * whose paths begin with `/` and lie below the file's own folder.
 */
function mentioned(source: Source): readonly string[] {
  return source.nodes.flatMap(({ node }) => {
    const text = literalOf(node)
    if (text === null || !/\.(ts|mjs)$/.test(text)) return []
    return /^[./]/.test(text) ? [posix.join(posix.dirname(source.path), text)] : [text]
  })
}

function deadExports(graph: Graph): readonly Finding[] {
  const used = new Map<string, Set<string>>()
  const usedWhole = new Set<string>()
  for (const [path, imports] of graph.imports) {
    for (const { specifier, names } of imports) {
      if (!specifier.startsWith('.')) continue
      const target = posix.join(posix.dirname(path), specifier)
      if (names === null) usedWhole.add(target)
      else used.set(target, (used.get(target) ?? new Set()).union(new Set(names)))
    }
  }
  return [...graph.sources.values()].flatMap((source) => {
    if (usedWhole.has(source.path) || PUBLIC.includes(source.path)) return []
    return exportsOf(source)
      .filter(({ name, isType }) => {
        if (used.get(source.path)?.has(name)) return false
        // A type may be exported for the signature of a function beside it.
        return !isType || occurrences(source, name) < 2
      })
      .map(({ name, start }) =>
        finding(source, start, `exports ${name}, which nothing imports; drop the export`),
      )
  })
}

function exportsOf(source: Source): readonly Readonly<{ name: string; start: number; isType: boolean }>[] {
  return source.module.staticExports.flatMap(({ entries }) =>
    entries.flatMap(({ exportName, start, isType }) => {
      if (exportName.kind !== 'Name' || exportName.name === null) return []
      const declaresType = /^(type|interface)\b/.test(source.text.slice(start))
      return [{ name: exportName.name, start, isType: isType || declaresType }]
    }),
  )
}

function occurrences(source: Source, name: string): number {
  return source.nodes.filter(({ node }) => node.type === 'Identifier' && node.name === name).length
}

/** `new URL('./worker.ts', …)`: in the installed package the file is called worker.js. */
function unpackagedPaths(source: Source): readonly Finding[] {
  if (!/^(gateway|adapters)\/.*\.ts$/.test(source.path)) return []
  const texts = source.nodes.map(({ node }) => literalOf(node))
  return source.nodes.flatMap(({ node, ancestors }) => {
    const text = literalOf(node)
    if (text === null || !/^\.{1,2}\/.*\.ts$/.test(text) || isSpecifier(ancestors.at(-1)?.type)) return []
    if (texts.includes(text.replace(/\.ts$/, '.js'))) return []
    const advice = "choose by import.meta.url.endsWith('.ts')"
    return [
      finding(source, node.start, `names ${text}, which is a .js file once the package is built; ${advice}`),
    ]
  })
}

function isSpecifier(parent: string | undefined): boolean {
  return /^(Import|Export)/.test(parent ?? '')
}
