import {
  type Comment,
  type EcmaScriptModule,
  type Node,
  type Program,
  parseSync,
  visitorKeys,
} from 'oxc-parser'

/** A breach of a house rule: where, what, and what to do instead. */
export type Finding = Readonly<{ path: string; line: number; message: string }>

/** Paths from the root of the repository, with `/`, and what the files say. */
export type Tree = ReadonlyMap<string, string>

/** A file of TypeScript or JavaScript, read. */
export type Source = Readonly<{
  path: string
  text: string
  program: Program
  module: EcmaScriptModule
  comments: readonly Comment[]
  /** Every node with its ancestors, the nearest last, in reading order. */
  nodes: readonly Visited[]
}>

export type Visited = Readonly<{ node: Node; ancestors: readonly Node[] }>

/** What a file says a thing is to be imported from, and where it says so. */
export type Import = Readonly<{
  specifier: string
  start: number
  kind: 'static' | 'type' | 'dynamic'
  /** The names as the other module knows them; null takes all. */
  names: readonly string[] | null
}>

/** Reads a file, or tells why it cannot be read: a file that the parser gave up on has not been checked. */
export function parseSource(path: string, text: string): Source | Finding {
  const result = parseSync(path, text)
  const [error] = result.errors
  if (error) {
    const line = lineAt(text, error.labels[0]?.start ?? 0)
    return { path, line, message: `cannot be parsed (${error.message}), so nothing in it was checked` }
  }
  const { program, module, comments } = result
  return { path, text, program, module, comments, nodes: [...walk(program, [])] }
}

/** The line of an offset, from 1. */
export function lineAt(text: string, offset: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line += 1
  return line
}

export function finding(source: Source, at: number, message: string): Finding {
  return { path: source.path, line: lineAt(source.text, at), message }
}

/** Static and dynamic imports, and exports from elsewhere. A dynamic import of a computed name is not among them. */
export function importsOf(source: Source): readonly Import[] {
  const imports: Import[] = []
  for (const { start, moduleRequest, entries } of source.module.staticImports) {
    const isType = entries.length > 0 && entries.every((entry) => entry.isType)
    const names = entries.map(({ importName }) => nameOf(importName))
    imports.push({
      specifier: moduleRequest.value,
      start,
      kind: isType ? 'type' : 'static',
      names: names.some((name) => name === null) ? null : names.filter((name) => name !== null),
    })
  }
  for (const { start, entries } of source.module.staticExports) {
    for (const { moduleRequest, importName, isType } of entries) {
      if (moduleRequest === null) continue
      const name = nameOf(importName)
      const kind = isType ? 'type' : 'static'
      imports.push({ specifier: moduleRequest.value, start, kind, names: name === null ? null : [name] })
    }
  }
  for (const { node } of source.nodes) {
    if (node.type !== 'ImportExpression') continue
    const specifier = literalOf(node.source)
    if (specifier !== null) imports.push({ specifier, start: node.start, kind: 'dynamic', names: null })
  }
  return imports
}

/** The text of a string literal, or of a template without placeholders; else null. */
export function literalOf(node: Node): string | null {
  if (node.type === 'Literal') return typeof node.value === 'string' ? node.value : null
  if (node.type !== 'TemplateLiteral' || node.expressions.length > 0) return null
  return node.quasis[0]?.value.cooked ?? null
}

/** `test` of `test`, `test.only`, `test.only.each(…)`; null where no plain name stands in front. */
export function rootName(node: Node): string | null {
  if (node.type === 'Identifier') return node.name
  if (node.type === 'MemberExpression') return rootName(node.object)
  return node.type === 'CallExpression' ? rootName(node.callee) : null
}

/** The name behind the dot of `a.name`, else null. */
export function memberName(node: Node): string | null {
  if (node.type !== 'MemberExpression') return null
  return !node.computed && node.property.type === 'Identifier' ? node.property.name : null
}

function nameOf(imported: Readonly<{ kind: string; name: string | null }>): string | null {
  return imported.kind === 'Default' ? 'default' : imported.name
}

function* walk(node: Node, ancestors: readonly Node[]): Generator<Visited> {
  yield { node, ancestors }
  const within = [...ancestors, node]
  // The parser's own list of which fields of a node hold nodes.
  const fields = node as unknown as Readonly<Record<string, unknown>>
  for (const key of visitorKeys[node.type] ?? []) {
    const value = fields[key]
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) yield* walk(child, within)
    }
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value
}
