import type { Json } from '../../adapters/contract.ts'
import { compare, type Decimal, parseDecimal } from './decimal.ts'
import type { FieldType, ListType } from './field-type.ts'
import { suggestion } from './mistake.ts'
import {
  BROKEN,
  type CompiledRule,
  type Compiling,
  isJsonList,
  isRow,
  type Maker,
  Refusal,
  type Row,
  type Scope,
} from './rule.ts'
import { compileRowExpression, type RowExpression } from './rule-expression.ts'
import { openOptions, type RuleOptions } from './rule-options.ts'
import { missing } from './rule-value.ts'
import { compileSourceField, noteRead, readText, type SourceField } from './source-field.ts'
import type { WrittenMap } from './written.ts'

/**
 * A list of objects from a list of rows: `from` the rows, `where` they belong to this row and `when`
 * an expression on them holds, `fields` of each, in the `order` of one or several of those fields, since equal documents must give equal
 * lists.
 */
export function listRule(written: WrittenMap, type: ListType, compiling: Compiling): CompiledRule {
  const options = openOptions(
    written,
    ['as', 'from', 'where', 'when', 'order', 'fields', 'optional'],
    compiling,
  )
  const field = options.field('from', true)
  const isOptional = options.flag('optional')
  if (isOptional && !type.nullable) options.fail('the event needs this list, so it cannot be "optional"')
  const path = field?.path ?? []
  const inner: Compiling = {
    ...compiling,
    rows: [...compiling.rows, path],
    given: [...compiling.given, path],
  }
  const element = compileElement(options, type.of, inner)
  const order = compileOrder(options, type.of)
  const when = options.has('when') ? compileRowExpression(options.at('when'), 'boolean', inner) : null
  if (field === null || (options.has('when') && when === null)) return BROKEN
  const select = compileSelect(options, field, compiling)
  return {
    isLate: false,
    apply(scope) {
      const rows = field.read(scope)
      if (rows === undefined) return isOptional ? null : missing(field, scope)
      if (rows === null) return isOptional ? null : []
      if (!isJsonList(rows)) return field.refuse(scope, 'VALUE_REFUSED', `${field.name} is not a list`)
      const list = mapRows(rows, scope, field, { select, when, element })
      return list instanceof Refusal ? list : list.sort(order)
    },
  }
}

function compileElement(options: RuleOptions, type: FieldType, inner: Compiling): Maker {
  const fields = options.at('fields')
  if (type.kind !== 'object') {
    options.fail('the elements of this list are no objects: give it as a constant')
    return () => ({})
  }
  if (fields?.kind === 'map') return inner.fields(fields, type, inner)
  options.fail('"fields" is missing: what is each element made of?')
  return () => ({})
}

/** The rows that belong to this row, with their places in the list. */
type Select = (rows: readonly Json[], scope: Scope) => readonly Placed[] | Refusal

type Placed = Readonly<{ index: number; row: Row }>

/** Which rows become elements, and how. */
type Elements = Readonly<{ select: Select; when: RowExpression | null; element: Maker }>

function mapRows(
  rows: readonly Json[],
  scope: Scope,
  field: SourceField,
  { select, when, element }: Elements,
): Json[] | Refusal {
  const selected = select(rows, scope)
  if (selected instanceof Refusal) return selected
  const list: Json[] = []
  const place = field.place(scope)
  for (const { index, row } of selected) {
    const inside: Scope = { row, parent: scope, prefix: `${place}[${index}].` }
    const holds = when?.evaluate(inside)
    if (holds?.kind === 'failed') return field.refuse(scope, 'FORMULA_FAILED', holds.reason)
    if (holds?.value === false) continue
    const value = element(inside)
    if (value instanceof Refusal) return value
    list.push(value)
  }
  return list
}

/**
 * `where: { EBELP: EBELP }`: the field of the listed rows that equals a field of the row where the
 * rule stands. The rows are grouped once for all rows that ask, or a thousand lines with their
 * schedules would take a million looks.
 */
function compileSelect(options: RuleOptions, field: SourceField, compiling: Compiling): Select {
  const written = options.at('where')
  if (written === null) return (rows, scope) => placed(rows, scope, field)
  if (written.kind !== 'map' || written.entries.size === 0) {
    options.fail('"where" is written { FIELD: FIELD OF THIS ROW }')
    return () => []
  }
  const names = [...written.entries.keys()]
  for (const [name, { key: place, value }] of written.entries)
    noteRead({ place, path: value.path }, [...field.path, name], {
      ...compiling,
      given: [...compiling.given, field.path],
    })
  const ours = [...written.entries.values()].map(({ value }) => compileSourceField(value, compiling))
  const known = ours.filter((one) => one !== null)
  let grouped: Readonly<{ rows: readonly Json[]; groups: ReadonlyMap<string, readonly Placed[]> }> | null =
    null
  return (rows, scope) => {
    if (grouped?.rows !== rows) {
      const groups = groupBy(rows, names, scope, field)
      if (groups instanceof Refusal) return groups
      grouped = { rows, groups }
    }
    const wanted: string[] = []
    for (const one of known) {
      const text = readText(one, scope)
      if (text === undefined) return missing(one, scope)
      if (text instanceof Refusal) return text
      wanted.push(text)
    }
    return grouped.groups.get(JSON.stringify(wanted)) ?? []
  }
}

function placed(rows: readonly Json[], scope: Scope, field: SourceField): readonly Placed[] | Refusal {
  const all: Placed[] = []
  for (const [index, row] of rows.entries()) {
    if (!isRow(row)) return field.refuse(scope, 'VALUE_REFUSED', `${field.name}[${index}] is not a row`)
    all.push({ index, row })
  }
  return all
}

function groupBy(
  rows: readonly Json[],
  names: readonly string[],
  scope: Scope,
  field: SourceField,
): ReadonlyMap<string, readonly Placed[]> | Refusal {
  const all = placed(rows, scope, field)
  if (all instanceof Refusal) return all
  const groups = new Map<string, Placed[]>()
  for (const one of all) {
    const key: string[] = []
    for (const name of names) {
      const value = Object.hasOwn(one.row, name) ? one.row[name] : undefined
      if (value === undefined) {
        const place = `${field.name}[${one.index}]`
        return field.refuse(scope, 'FIELD_MISSING', `${place} has no field ${name}`)
      }
      key.push(value === null ? '' : String(value).trimEnd())
    }
    const text = JSON.stringify(key)
    const group = groups.get(text)
    if (group === undefined) groups.set(text, [one])
    else group.push(one)
  }
  return groups
}

/**
 * Numbers by value, everything else bytewise; ties by the whole element, so that no order is left
 * to chance.
 */
function compileOrder(options: RuleOptions, type: FieldType): (left: Json, right: Json) => number {
  const names = options.texts('order') ?? []
  if (names.length === 0 && !options.has('order'))
    options.fail('"order" is missing: by which field is it sorted?')
  const known = type.kind === 'object' ? Object.keys(type.fields) : []
  for (const name of names) {
    if (!known.includes(name))
      options.fail(`the elements have no "${name}" to sort by${suggestion(name, known)}`)
  }
  return (left, right) => {
    for (const name of names) {
      const order = compareValues(fieldOf(left, name), fieldOf(right, name))
      if (order !== 0) return order
    }
    return compareText(JSON.stringify(left), JSON.stringify(right))
  }
}

function fieldOf(value: Json, name: string): Json {
  return isRow(value) ? (value[name] ?? null) : null
}

const NUMBER = /^-?\d+(?:\.\d+)?$/

/** All numbers come before all that is none: a mixture must not go round in circles. */
function compareValues(left: Json, right: Json): number {
  const a = numberIn(left)
  const b = numberIn(right)
  if (a !== null && b !== null) return compare(a, b)
  if (a !== null || b !== null) return a === null ? 1 : -1
  return compareText(textKey(left), textKey(right))
}

function numberIn(value: Json): Decimal | null {
  if (typeof value === 'number') return parseDecimal(String(value))
  return typeof value === 'string' && NUMBER.test(value) ? parseDecimal(value) : null
}

function textKey(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
