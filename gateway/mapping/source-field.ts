import type { Json } from '../../adapters/contract.ts'
import type { FieldPath } from './mapping.ts'
import { type Compiling, isRow, Refusal, type Row, refuse, type Scope } from './rule.ts'
import { entry, mistakeAt, type Written, type WrittenMap } from './written.ts'

/** A field of the source, found by its path. */
export type SourceField = Readonly<{
  /** As messages name it. */
  name: string
  /** From the record down. */
  path: FieldPath
  /** Undefined where the record has no such field. */
  read(scope: Scope): Json | undefined
  /** The whole path in this scope, `EKPO[1].MATNR`. */
  place(scope: Scope): string
  /** A refusal that names this field with its whole path. */
  refuse(scope: Scope, code: string, reason: string): Refusal
}>

/**
 * Compiles a path: field names joined by `/`, `..` for the row around a list's row. A `/` inside a
 * name is written `~1` and a `~` is written `~0`, as in JSON Pointer.
 */
export function compileSourceField(written: Written, compiling: Compiling): SourceField | null {
  if (written.kind !== 'text' || written.text === '') {
    compiling.mistakes.push(mistakeAt(written, 'the name of a source field is needed here'))
    return null
  }
  const steps = stepsOf(written.text)
  if (steps === null) {
    compiling.mistakes.push(mistakeAt(written, 'a path is written FIELD, ../FIELD or FIELD/FIELD'))
    return null
  }
  const { ups, names } = steps
  const around = compiling.rows.length - 1
  if (ups > around) {
    const message = [`nothing lies around the record itself`, `only one row lies around it`][around]
    compiling.mistakes.push(
      mistakeAt(written, `"${written.text}" goes up too far: ${message ?? `${around} rows lie around it`}`),
    )
    return null
  }
  const path = pathFrom(compiling, ups, names)
  noteRead(written, path, compiling)
  const [first = '', ...inner] = names
  const name = names.join('/')
  const { line } = written.place
  return {
    name,
    path,
    read: reader(ups, first, inner),
    place: (scope) => up(scope, ups).prefix + name,
    refuse: (scope, code, reason) => refuse(up(scope, ups), code, name, line, reason),
  }
}

/** Notes that a rule reads a field. */
export function noteRead(
  written: Pick<Written, 'place' | 'path'>,
  path: FieldPath,
  compiling: Compiling,
): void {
  const { given } = compiling
  compiling.reads.push({ path, given, at: { ...written.place, field: written.path } })
}

/** Where in the record a field lies that is found from the row of the rule, so many rows up. */
export function pathFrom({ rows }: Compiling, ups: number, names: readonly string[]): FieldPath {
  return [...(rows.at(-1 - ups) ?? []), ...names]
}

/** What a rule is compiled with that may be `optional`: where its field is not there, it reads nothing else either. */
export function whereOptional(written: WrittenMap, compiling: Compiling): Compiling {
  const optional = entry(written, 'optional')
  const from = entry(written, 'from')
  if (from === null || optional?.kind !== 'boolean' || !optional.value) return compiling
  const parts = from.kind === 'list' ? from.items : [from]
  const paths = parts.flatMap((part) => {
    const steps = part.kind === 'text' ? stepsOf(part.text) : null
    return steps === null ? [] : [pathFrom(compiling, steps.ups, steps.names)]
  })
  return { ...compiling, given: [...compiling.given, ...paths] }
}

/** The parts of a path; null where it is not written as one. */
function stepsOf(text: string): Readonly<{ ups: number; names: readonly string[] }> | null {
  const steps = text.split('/')
  const ups = steps.findIndex((step) => step !== '..')
  if (ups === -1 || steps.indexOf('..', ups) !== -1 || steps.includes('')) return null
  return { ups, names: steps.slice(ups).map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~')) }
}

function reader(ups: number, first: string, inner: readonly string[]): (scope: Scope) => Json | undefined {
  if (inner.length > 0) {
    return (scope) => {
      let value = own(up(scope, ups).row, first)
      for (const name of inner) value = isRow(value) ? own(value, name) : value === null ? null : undefined
      return value
    }
  }
  if (ups > 0) return (scope) => own(up(scope, ups).row, first)
  return (scope) => own(scope.row, first)
}

function own(row: Row, name: string): Json | undefined {
  return Object.hasOwn(row, name) ? row[name] : undefined
}

function up(scope: Scope, count: number): Scope {
  let at = scope
  for (let index = 0; index < count; index++) at = at.parent ?? at
  return at
}

/**
 * Text of a field: blanks at its end dropped, null as empty. Undefined where there is no such
 * field.
 */
export function readText(field: SourceField, scope: Scope): string | Refusal | undefined {
  const value = field.read(scope)
  switch (typeof value) {
    case 'string':
      return isSign(value.charCodeAt(value.length - 1)) ? value : value.trimEnd()
    case 'boolean':
      return String(value)
    case 'number':
      if (Number.isSafeInteger(value)) return String(value)
      return field.refuse(scope, 'VALUE_REFUSED', `${field.name} came as a float, which is not exact`)
    case 'undefined':
      return undefined
    default:
      if (value === null) return ''
      return field.refuse(scope, 'VALUE_REFUSED', `${field.name} is not a text`)
  }
}

/** A character of ASCII that is seen: no blank of any kind. */
function isSign(unit: number): boolean {
  return unit > 0x20 && unit < 0x7f
}

/**
 * Several fields read as one text, their parts joined by a blank; for a date and a time in two
 * columns.
 */
export function joined(fields: readonly SourceField[]): SourceField | null {
  const [first] = fields
  if (first === undefined) return null
  if (fields.length === 1) return first
  const name = fields.map((field) => field.name).join(' ')
  return {
    name,
    path: first.path,
    read(scope) {
      const parts: string[] = []
      for (const field of fields) {
        const text = readText(field, scope)
        if (text === undefined || text instanceof Refusal) return undefined
        if (text !== '') parts.push(text)
      }
      return parts.join(' ')
    },
    place: (scope) => first.place(scope),
    refuse: (scope, code, reason) => first.refuse(scope, code, reason),
  }
}
