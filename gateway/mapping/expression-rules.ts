import { parseDate, parseInstant } from './calendar.ts'
import { parseDecimal } from './decimal.ts'
import {
  check,
  computed,
  describe,
  elementOf,
  type Scope,
  type Typed,
  truth,
  use,
  type ValueType,
} from './expression-check.ts'
import { ExpressionFault, type Node } from './expression-tree.ts'
import type { FieldType, ScalarType } from './field-type.ts'
import { suggestion } from './mistake.ts'

type Call = Extract<Node, { kind: 'call' }>
type Binary = Extract<Node, { kind: 'binary' }>
type Kind = ScalarType['kind']

/** Functions: for each, the kinds that its arguments may have and the kind that it gives. */
const FUNCTIONS: Readonly<Record<string, Readonly<{ takes: readonly (readonly Kind[])[]; gives: Kind }>>> = {
  decimal: { takes: [['string', 'integer', 'decimal']], gives: 'decimal' },
  int: { takes: [['string', 'integer']], gives: 'integer' },
  string: { takes: [['string', 'integer', 'decimal', 'boolean', 'date', 'date-time']], gives: 'string' },
  date: { takes: [['string', 'date']], gives: 'date' },
  instant: { takes: [['string', 'date-time']], gives: 'date-time' },
  abs: { takes: [['decimal']], gives: 'decimal' },
  round: { takes: [['decimal'], ['integer']], gives: 'decimal' },
  currencyDecimals: { takes: [['string']], gives: 'integer' },
  divide: { takes: [['decimal', 'integer'], ['decimal', 'integer'], ['integer']], gives: 'decimal' },
}

const METHODS: Readonly<Record<string, Readonly<{ takes: readonly (readonly Kind[])[]; gives: Kind }>>> = {
  startsWith: { takes: [['string']], gives: 'boolean' },
  endsWith: { takes: [['string']], gives: 'boolean' },
  contains: { takes: [['string']], gives: 'boolean' },
  lowerAscii: { takes: [], gives: 'string' },
  upperAscii: { takes: [], gives: 'string' },
  trim: { takes: [], gives: 'string' },
  size: { takes: [], gives: 'integer' },
}

const MACROS = ['exists', 'all', 'exists_one', 'filter', 'map'] as const

/**
 * Lists in lists are looked through two deep; more is a question for a program, not for a
 * condition.
 */
const MACRO_DEPTH_MAX = 2

/** A list written out inside a list macro is looked through for each element: with 200 by 200 a record takes half a second. */
const WRITTEN_INSIDE_MAX = 20

const NAMES = [...Object.keys(FUNCTIONS), ...Object.keys(METHODS), ...MACROS, 'has']

/** Literals that would bring inexact numbers, or types that no event has. */
export function refuseLiteral(node: Node): never {
  const reasons: Readonly<Record<string, string>> = {
    float: 'a number with a point is a float and would not be exact: write decimal("10000.50")',
    unsigned: 'write integers without a letter behind them',
    bytes: 'there are no bytes in events',
    map: 'there are no maps to compare with',
  }
  throw new ExpressionFault(node.start, reasons[node.kind] ?? 'this cannot be used here')
}

export function checkCall(node: Call, scope: Scope): Typed {
  if (node.receiver === null) return node.name === 'has' ? has(node, scope) : functionCall(node, scope)
  if (node.name === 'matches') {
    throw new ExpressionFault(
      node.start,
      'matches() is not offered, since a pattern can run away: use startsWith, endsWith or contains',
    )
  }
  const macro = MACROS.find((name) => name === node.name)
  return macro === undefined
    ? method(node, node.receiver, scope)
    : listMacro(macro, node, node.receiver, scope)
}

function has(node: Call, scope: Scope): Typed {
  const argument = node.args[0]
  if (argument?.kind !== 'field' || node.args.length !== 1) {
    throw new ExpressionFault(node.start, 'has() asks for one field, as in has(data.dueDate)')
  }
  const { reads } = check(argument, scope)
  if (reads !== null) reads.isAsked = true
  return computed({ kind: 'boolean', nullable: false })
}

function functionCall(node: Call, scope: Scope): Typed {
  if (node.name === 'size') {
    return sizeOf(argumentsOf(node, scope, 1)[0], node)
  }
  const rule = Object.hasOwn(FUNCTIONS, node.name) ? FUNCTIONS[node.name] : undefined
  if (rule === undefined) throw unknownFunction(node)
  const types = argumentsOf(node, scope, rule.takes.length)
  expectKinds(node, types, rule.takes)
  const [first] = node.args
  if (first?.kind === 'literal' && typeof first.value === 'string')
    literalOf(node.name, first.value, first.start)
  return computed({ kind: rule.gives, nullable: false })
}

function unknownFunction(node: Call): ExpressionFault {
  if (node.name === 'double') return new ExpressionFault(node.start, 'floats are not exact: use decimal()')
  return new ExpressionFault(node.start, `there is no function "${node.name}"${suggestion(node.name, NAMES)}`)
}

/**
 * A text written into `decimal("…")`, `date("…")` or `instant("…")` is checked when the file is
 * read.
 */
function literalOf(name: string, text: string, start: number): void {
  if (name === 'decimal' && parseDecimal(text) === null) {
    throw new ExpressionFault(start, `"${text}" is not a decimal number`)
  }
  if (name === 'date' && parseDate(text) === null) {
    throw new ExpressionFault(start, `"${text}" is not a date, as "2026-10-01" is`)
  }
  if (name === 'instant' && parseInstant(text) === null) {
    throw new ExpressionFault(start, `"${text}" is not an instant, as "2026-10-01T08:00:00+08:00" is`)
  }
}

function method(node: Call, receiver: Node, scope: Scope): Typed {
  const rule = Object.hasOwn(METHODS, node.name) ? METHODS[node.name] : undefined
  if (rule === undefined) throw unknownFunction(node)
  const { type } = use(receiver, scope)
  const types = argumentsOf(node, scope, rule.takes.length)
  if (node.name === 'size') return sizeOf(type, node)
  if (type.kind !== 'string') {
    throw new ExpressionFault(receiver.start, `${node.name}() belongs to text, and this is ${describe(type)}`)
  }
  expectKinds(node, types, rule.takes)
  return computed({ kind: rule.gives, nullable: false })
}

function sizeOf(type: ValueType | undefined, node: Call): Typed {
  if (type?.kind === 'list' || type?.kind === 'string') return computed({ kind: 'integer', nullable: false })
  throw new ExpressionFault(node.start, 'size() counts a list or the characters of a text')
}

function argumentsOf(node: Call, scope: Scope, count: number): readonly ValueType[] {
  if (node.args.length !== count) {
    throw new ExpressionFault(node.start, `${node.name}() takes ${count} of them, not ${node.args.length}`)
  }
  return node.args.map((argument) => use(argument, scope).type)
}

function expectKinds(node: Call, types: readonly ValueType[], takes: readonly (readonly Kind[])[]): void {
  for (const [place, type] of types.entries()) {
    const kinds = takes[place] ?? []
    if (kinds.some((kind) => kind === type.kind)) continue
    const start = node.args[place]?.start ?? node.start
    throw new ExpressionFault(start, `${node.name}() cannot take ${describe(type)} here`)
  }
}

function listMacro(macro: (typeof MACROS)[number], node: Call, receiver: Node, scope: Scope): Typed {
  const { type, reads } = use(receiver, scope)
  if (type.kind !== 'list') {
    throw new ExpressionFault(
      receiver.start,
      `${macro}() looks through a list, and this is ${describe(type)}`,
    )
  }
  const [name, body] = node.args
  if (name?.kind !== 'variable' || body === undefined || node.args.length !== 2) {
    throw new ExpressionFault(node.start, `${macro}() is written ${macro}(x, …x…)`)
  }
  if (scope.names.has(name.name)) {
    throw new ExpressionFault(name.start, `"${name.name}" is taken: give the element another name`)
  }
  checkNesting(node, receiver, scope)
  const names = new Map(scope.names).set(name.name, { type: type.of, reads: elementOf(reads) })
  const inside: Scope = { ...scope, names, elements: [...scope.elements, name.name] }
  if (macro === 'map') {
    const result = use(body, inside)
    if (result.type.kind === 'text-fields') throw new ExpressionFault(body.start, 'a record is no value')
    const mapped: FieldType = { kind: 'list', of: result.type, nullable: false }
    return {
      type: mapped,
      reads: result.reads === null ? null : { fields: new Map(), elements: result.reads },
    }
  }
  truth(body, inside)
  if (macro !== 'filter') return computed({ kind: 'boolean', nullable: false })
  return { type: { ...type, nullable: false }, reads }
}

/**
 * A list inside a list macro must belong to the element: a list of the event looked through for each of its own
 * elements would take a million steps for a thousand lines.
 */
function checkNesting(node: Call, receiver: Node, scope: Scope): void {
  if (scope.elements.length === 0) return
  if (scope.elements.length === MACRO_DEPTH_MAX) {
    throw new ExpressionFault(node.start, `lists can be looked through ${MACRO_DEPTH_MAX} deep, no deeper`)
  }
  const root = rootOf(receiver)
  if (root === null) {
    if (writtenLength(receiver) <= WRITTEN_INSIDE_MAX) return
    throw new ExpressionFault(
      receiver.start,
      `a list written out inside a macro holds ${WRITTEN_INSIDE_MAX} elements at most`,
    )
  }
  if (scope.elements.includes(root)) return
  const elements = scope.elements.join(' or ')
  throw new ExpressionFault(
    receiver.start,
    `inside this macro only lists of ${elements} can be looked through`,
  )
}

/** How many elements a written list has, or the one that a filter or map of it looks through. */
function writtenLength(node: Node): number {
  if (node.kind === 'list') return node.items.length
  return node.kind === 'call' && node.receiver !== null ? writtenLength(node.receiver) : 0
}

/** The variable that a list comes from; null for a list that is written out. */
function rootOf(node: Node): string | null {
  if (node.kind === 'variable') return node.name
  if (node.kind === 'field' || node.kind === 'index') return rootOf(node.of)
  return node.kind === 'call' && node.receiver !== null ? rootOf(node.receiver) : null
}

export function checkBinary(node: Binary, scope: Scope): Typed {
  for (const side of [node.left, node.right]) {
    if (side.kind === 'literal' && side.value === null) use(side, scope)
  }
  const left = use(node.left, scope).type
  const right = use(node.right, scope).type
  switch (node.operator) {
    case '+':
    case '-':
    case '*':
    case '/':
    case '%':
      return arithmetic(node, left, right)
    case 'in':
      return membership(node, left, right)
    default:
      return comparison(node, left, right)
  }
}

function arithmetic(node: Binary, left: ValueType, right: ValueType): Typed {
  const { operator } = node
  if (operator === '/') {
    throw new ExpressionFault(node.start, '"/" would have to round: write divide(a, b, decimals)')
  }
  if (isNumber(left) && isNumber(right)) {
    const kind = left.kind === 'integer' && right.kind === 'integer' ? 'integer' : 'decimal'
    if (operator !== '%' || kind === 'integer') return computed({ kind, nullable: false })
  }
  if (operator === '+' && left.kind === 'string' && right.kind === 'string') {
    return computed({ kind: 'string', nullable: false })
  }
  if (left.kind === 'date' && right.kind === 'date' && operator === '-') {
    return computed({ kind: 'integer', nullable: false })
  }
  if (left.kind === 'date' && right.kind === 'integer' && (operator === '+' || operator === '-')) {
    return computed({ kind: 'date', nullable: false })
  }
  throw mismatch(node, left, right)
}

function comparison(node: Binary, left: ValueType, right: ValueType): Typed {
  const isEquality = node.operator === '==' || node.operator === '!='
  const answer = computed({ kind: 'boolean', nullable: false })
  if (isNumber(left) && isNumber(right)) return answer
  if (left.kind === right.kind) {
    if (left.kind === 'string') {
      checkClosedList(left, node.right)
      checkClosedList(right, node.left)
      return answer
    }
    if (left.kind === 'date' || left.kind === 'date-time') return answer
    if (left.kind === 'boolean' && isEquality) return answer
  }
  if (isMoment(left) && right.kind === 'string') return momentLiteral(left.kind, node.right, answer)
  if (isMoment(right) && left.kind === 'string') return momentLiteral(right.kind, node.left, answer)
  throw mismatch(node, left, right)
}

function membership(node: Binary, left: ValueType, right: ValueType): Typed {
  if (right.kind !== 'list') {
    throw new ExpressionFault(node.right.start, `"in" looks through a list, and this is ${describe(right)}`)
  }
  if (left.kind !== right.of.kind || (left.kind !== 'string' && left.kind !== 'integer')) {
    throw mismatch(node, left, right.of)
  }
  if (node.right.kind === 'list') for (const item of node.right.items) checkClosedList(left, item)
  return computed({ kind: 'boolean', nullable: false })
}

/** A value that can never stand there would make the condition silently false for ever. */
function checkClosedList(type: ValueType, other: Node): void {
  if (type.kind !== 'string' || type.values === undefined) return
  if (other.kind !== 'literal' || typeof other.value !== 'string') return
  if (type.values.includes(other.value)) return
  const near = suggestion(other.value, type.values)
  throw new ExpressionFault(other.start, `"${other.value}" is never found here${near}`)
}

function isNumber(type: ValueType): boolean {
  return type.kind === 'decimal' || type.kind === 'integer'
}

function isMoment(type: ValueType): type is ScalarType & { kind: 'date' | 'date-time' } {
  return type.kind === 'date' || type.kind === 'date-time'
}

function momentLiteral(kind: 'date' | 'date-time', other: Node, answer: Typed): Typed {
  const name = kind === 'date' ? 'date' : 'instant'
  if (other.kind !== 'literal' || typeof other.value !== 'string') {
    throw new ExpressionFault(other.start, `text is compared with a ${kind} by ${name}(…)`)
  }
  literalOf(name, other.value, other.start)
  return answer
}

function mismatch(node: Binary, left: ValueType, right: ValueType): ExpressionFault {
  const [text, other] = left.kind === 'string' ? [node.left, right] : [node.right, left]
  const isMixed = (left.kind === 'string') !== (right.kind === 'string')
  const hint = !isMixed || !isNumber(other) ? '' : textHint(text)
  return new ExpressionFault(
    node.start,
    `${describe(left)} and ${describe(right)} do not go together with "${node.operator}"${hint}`,
  )
}

function textHint(text: Node): string {
  return text.kind === 'literal' && typeof text.value === 'string'
    ? ': write the number without quotes, or decimal("…") where it has decimals'
    : ': decimal(…) reads a number from text'
}
