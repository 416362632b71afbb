import { checkBinary, checkCall, refuseLiteral } from './expression-rules.ts'
import { ExpressionFault, type Node, pathOf, provedWhen } from './expression-tree.ts'
import type { FieldType } from './field-type.ts'
import { typeName } from './field-type.ts'
import { suggestion } from './mistake.ts'

/** A record in the words of a source: any field, always text. */
export type TextFields = Readonly<{ kind: 'text-fields' }>

export type ValueType = FieldType | TextFields

export type Variables = Readonly<Record<string, ValueType>>

/**
 * Which parts of a variable an expression looks at, so that only those are made ready for each
 * evaluation.
 */
export type Reads = {
  readonly fields: Map<string, Reads>
  elements: Reads | null
  /** `has()` asks whether it is there. */
  isAsked?: boolean
}

/** What is known about a part of an expression. `reads` is null for values that are computed. */
export type Typed = Readonly<{ type: ValueType; reads: Reads | null }>

/**
 * What holds at a place in an expression: names in sight, paths that `has()` proved, depth of list
 * macros.
 */
export type Scope = Readonly<{
  names: ReadonlyMap<string, Typed>
  proved: ReadonlySet<string>
  /** Names that stand for the elements of the lists being looked through, outermost first. */
  elements: readonly string[]
}>

export type Checked = Readonly<{ type: ValueType; reads: ReadonlyMap<string, Reads> }>

/**
 * The type of an expression and what it reads. Throws ExpressionFault at the first thing that
 * cannot be right.
 */
export function checkExpression(node: Node, variables: Variables): Checked {
  const reads = new Map<string, Reads>()
  const names = new Map<string, Typed>()
  for (const [name, type] of Object.entries(variables)) {
    const read: Reads = { fields: new Map(), elements: null }
    reads.set(name, read)
    names.set(name, { type, reads: read })
  }
  const { type } = use(node, { names, proved: new Set(), elements: [] })
  return { type, reads }
}

/** Checks a part whose value is used there, so it must be there. */
export function use(node: Node, scope: Scope): Typed {
  const typed = check(node, scope)
  const path = pathOf(node)
  if (typed.type.kind !== 'text-fields' && typed.type.nullable) {
    if (path === null || !scope.proved.has(path)) {
      const shown = path ?? 'this'
      throw new ExpressionFault(
        node.start,
        path === null || path.includes('[')
          ? 'this may be null: compare inside a list macro, where has() can prove it'
          : `${shown} may be null: write has(${shown}) && … (or !has(${shown}) || …) around it`,
      )
    }
  }
  return typed
}

/** Checks a part without asking that it be there; only `has()` may stop here. */
export function check(node: Node, scope: Scope): Typed {
  switch (node.kind) {
    case 'literal':
      return literal(node)
    case 'float':
    case 'unsigned':
    case 'bytes':
    case 'map':
      return refuseLiteral(node)
    case 'variable':
      return variable(node, scope)
    case 'field':
      return field(node.of, node.name, node, scope)
    case 'index':
      return index(node, scope)
    case 'call':
      return checkCall(node, scope)
    case 'list':
      return list(node, scope)
    case 'choice':
      return choice(node, scope)
    case 'and':
    case 'or': {
      truth(node.left, scope)
      truth(node.right, proving(scope, provedWhen(node.kind === 'and', node.left)))
      return computed({ kind: 'boolean', nullable: false })
    }
    case 'not':
      truth(node.of, scope)
      return computed({ kind: 'boolean', nullable: false })
    case 'negative': {
      const { type } = use(node.of, scope)
      if (type.kind === 'decimal' || type.kind === 'integer') return computed(type)
      throw new ExpressionFault(node.start, `only a number has a negative, and this is ${describe(type)}`)
    }
    case 'binary':
      return checkBinary(node, scope)
  }
}

export function computed(type: FieldType): Typed {
  return { type, reads: null }
}

function proving(scope: Scope, paths: ReadonlySet<string>): Scope {
  return { ...scope, proved: scope.proved.union(paths) }
}

/** How a type is called in a message. */
export function describe(type: ValueType): string {
  return type.kind === 'text-fields' ? 'a record' : typeName(type)
}

/** Checks a part that must be true or false. */
export function truth(node: Node, scope: Scope): void {
  const { type } = use(node, scope)
  if (type.kind !== 'boolean') {
    throw new ExpressionFault(node.start, `true or false is needed here, and this is ${describe(type)}`)
  }
}

function literal(node: Extract<Node, { kind: 'literal' }>): Typed {
  switch (typeof node.value) {
    case 'string':
      return computed({ kind: 'string', nullable: false })
    case 'bigint':
      return computed({ kind: 'integer', nullable: false })
    case 'boolean':
      return computed({ kind: 'boolean', nullable: false })
    default:
      throw new ExpressionFault(node.start, 'a null is never seen here: ask has(field) whether it is there')
  }
}

function variable(node: Extract<Node, { kind: 'variable' }>, scope: Scope): Typed {
  const found = scope.names.get(node.name)
  if (found !== undefined) return found
  throw new ExpressionFault(
    node.start,
    `there is no "${node.name}" here${suggestion(node.name, [...scope.names.keys()])}`,
  )
}

function field(of: Node, name: string, node: Node, scope: Scope): Typed {
  const { type, reads } = use(of, scope)
  if (type.kind === 'text-fields') return text(name, reads)
  if (type.kind === 'map') return { type: { ...type.of, nullable: true }, reads: childOf(reads, name) }
  if (type.kind !== 'object') {
    throw new ExpressionFault(node.end - name.length, `${describe(type)} has no fields, so no "${name}"`)
  }
  const found = Object.hasOwn(type.fields, name) ? type.fields[name] : undefined
  if (found === undefined) {
    const near = suggestion(name, Object.keys(type.fields))
    throw new ExpressionFault(node.end - name.length, `there is no field "${name}"${near}`)
  }
  return { type: found, reads: childOf(reads, name) }
}

function index(node: Extract<Node, { kind: 'index' }>, scope: Scope): Typed {
  const { type, reads } = use(node.of, scope)
  const key = node.index
  if (type.kind === 'text-fields' && key.kind === 'literal' && typeof key.value === 'string') {
    return text(key.value, reads)
  }
  if (type.kind !== 'list') {
    throw new ExpressionFault(key.start, `${describe(type)} cannot be indexed by this`)
  }
  if (use(key, scope).type.kind !== 'integer') {
    throw new ExpressionFault(key.start, 'a place in a list is an integer, from 0')
  }
  return { type: type.of, reads: elementOf(reads) }
}

function text(name: string, reads: Reads | null): Typed {
  return { type: { kind: 'string', nullable: false }, reads: childOf(reads, name) }
}

function childOf(reads: Reads | null, name: string): Reads | null {
  if (reads === null) return null
  const known = reads.fields.get(name)
  if (known !== undefined) return known
  const child: Reads = { fields: new Map(), elements: null }
  reads.fields.set(name, child)
  return child
}

/** What is read of a list's elements. */
export function elementOf(reads: Reads | null): Reads | null {
  if (reads === null) return null
  reads.elements ??= { fields: new Map(), elements: null }
  return reads.elements
}

function list(node: Extract<Node, { kind: 'list' }>, scope: Scope): Typed {
  const types = node.items.map((item) => use(item, scope).type)
  const [first] = types
  if (first === undefined) throw new ExpressionFault(node.start, 'an empty list has no type to compare with')
  if (first.kind !== 'string' && first.kind !== 'integer') {
    throw new ExpressionFault(node.start, 'a list written out holds texts or integers')
  }
  const other = types.findIndex((type) => type.kind !== first.kind)
  const place = node.items[other]
  if (place !== undefined) {
    throw new ExpressionFault(
      place.start,
      `all of a list must be of one type, and its first is ${describe(first)}`,
    )
  }
  return computed({ kind: 'list', of: { kind: first.kind, nullable: false }, nullable: false })
}

function choice(node: Extract<Node, { kind: 'choice' }>, scope: Scope): Typed {
  truth(node.condition, scope)
  const then = use(node.yes, proving(scope, provedWhen(true, node.condition))).type
  const otherwise = use(node.no, proving(scope, provedWhen(false, node.condition))).type
  if (
    then.kind !== otherwise.kind ||
    then.kind === 'text-fields' ||
    then.kind === 'object' ||
    then.kind === 'map' ||
    then.kind === 'list'
  ) {
    throw new ExpressionFault(
      node.no.start,
      `both answers of a choice must be one kind of value, and these are ${describe(then)} and ${describe(otherwise)}`,
    )
  }
  return computed({ kind: then.kind, nullable: false })
}
