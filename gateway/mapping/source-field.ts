import type { Json } from '../../adapters/contract.ts'
import { type Compiling, isRow, Refusal, type Row, refuse, type Scope } from './rule.ts'
import { mistakeAt, type Written } from './written.ts'

/** A field of the source, found by its path. */
export type SourceField = Readonly<{
  /** As messages name it. */
  name: string
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
  const steps = written.text.split('/')
  const ups = steps.findIndex((step) => step !== '..')
  if (ups === -1 || steps.indexOf('..', ups) !== -1 || steps.includes('')) {
    compiling.mistakes.push(mistakeAt(written, 'a path is written FIELD, ../FIELD or FIELD/FIELD'))
    return null
  }
  if (ups > compiling.level) {
    const message = [`nothing lies around the record itself`, `only one row lies around it`][compiling.level]
    compiling.mistakes.push(
      mistakeAt(
        written,
        `"${written.text}" goes up too far: ${message ?? `${compiling.level} rows lie around it`}`,
      ),
    )
    return null
  }
  const names = steps.slice(ups).map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  const [first = '', ...inner] = names
  if (ups === compiling.level) compiling.reads.add(first)
  const name = names.join('/')
  const { line } = written.place
  return {
    name,
    read: reader(ups, first, inner),
    place: (scope) => up(scope, ups).prefix + name,
    refuse: (scope, code, reason) => refuse(up(scope, ups), code, name, line, reason),
  }
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
      return value.trimEnd()
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
