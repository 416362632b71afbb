/**
 * An expression as a tree of our own. `expression.ts` makes it from the parser's, so that the
 * checks know no library; `start` and `end` are places in the text, for the caret.
 */
export type Node = Readonly<{ start: number; end: number }> & NodeShape

type NodeShape = Readonly<
  | { kind: 'literal'; value: string | bigint | boolean | null }
  /** A literal that no type of ours can hold. */
  | { kind: 'float' | 'unsigned' | 'bytes' | 'map' }
  | { kind: 'variable'; name: string }
  | { kind: 'field'; of: Node; name: string }
  | { kind: 'index'; of: Node; index: Node }
  | { kind: 'call'; name: string; receiver: Node | null; args: readonly Node[] }
  | { kind: 'list'; items: readonly Node[] }
  | { kind: 'choice'; condition: Node; yes: Node; no: Node }
  | { kind: 'and' | 'or'; left: Node; right: Node }
  | { kind: 'not' | 'negative'; of: Node }
  | { kind: 'binary'; operator: BinaryOperator; left: Node; right: Node }
>

export const BINARY_OPERATORS = ['==', '!=', '<', '<=', '>', '>=', 'in', '+', '-', '*', '/', '%'] as const
export type BinaryOperator = (typeof BINARY_OPERATORS)[number]

/** Something wrong in an expression, at a place in its text. */
export class ExpressionFault extends Error {
  readonly start: number

  constructor(start: number, message: string) {
    super(message)
    this.start = start
  }
}

/**
 * A path that needs no evaluation to be the same thing twice: `data.totals.net`, `line.item`,
 * `data.lines[0].net`. Null for anything else.
 */
export function pathOf(node: Node): string | null {
  if (node.kind === 'variable') return node.name
  if (node.kind === 'field') {
    const of = pathOf(node.of)
    return of === null ? null : `${of}.${node.name}`
  }
  if (node.kind === 'index' && node.index.kind === 'literal') {
    const of = pathOf(node.of)
    return of === null ? null : `${of}[${String(node.index.value)}]`
  }
  return null
}

/** What must be there for the expression to be true: the paths that `has()` has proved. */
export function provedWhen(outcome: boolean, node: Node): ReadonlySet<string> {
  switch (node.kind) {
    case 'call':
      return outcome ? provedByHas(node) : NOTHING
    case 'not':
      return provedWhen(!outcome, node.of)
    case 'and':
    case 'or': {
      const left = provedWhen(outcome, node.left)
      const right = provedWhen(outcome, node.right)
      return (node.kind === 'and') === outcome ? left.union(right) : left.intersection(right)
    }
    default:
      return NOTHING
  }
}

const NOTHING: ReadonlySet<string> = new Set()

function provedByHas(node: Node): ReadonlySet<string> {
  if (node.kind !== 'call' || node.name !== 'has' || node.receiver !== null) return NOTHING
  const argument = node.args[0]
  const path = argument === undefined ? null : pathOf(argument)
  return path === null ? NOTHING : new Set([path])
}
