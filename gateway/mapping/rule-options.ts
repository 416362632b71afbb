import { suggestion } from './mistake.ts'
import type { Compiling, Table } from './rule.ts'
import { compileSourceField, joined, type SourceField } from './source-field.ts'
import { entry, mistakeAt, mistakeAtKey, type Written, type WrittenMap } from './written.ts'

/** The options of one rule, read with their mistakes collected; every reader gives its default when all is not well. */
export type RuleOptions = Readonly<{
  written: WrittenMap
  /** Line of the rule. */
  line: number
  has(name: string): boolean
  at(name: string): Written | null
  /** A source field, or null; it is a mistake when it is missing and `isNeeded`. */
  field(name: string, isNeeded: boolean): SourceField | null
  text(name: string): string | null
  flag(name: string): boolean
  /** A list of texts, or one text alone. */
  texts(name: string): readonly string[] | null
  /** A whole number within bounds. */
  count(name: string, min: number, max: number): number | null
  /** The table that the option names. */
  table(name: string): Table | null
  oneOf(name: string, values: readonly string[]): string | null
  fail(message: string): null
}>

/** Opens a rule's options and reports those that are not `allowed`. */
export function openOptions(
  written: WrittenMap,
  allowed: readonly string[],
  compiling: Compiling,
): RuleOptions {
  const { mistakes } = compiling
  for (const key of written.entries.keys()) {
    if (allowed.includes(key)) continue
    mistakes.push(mistakeAtKey(written, key, `a rule has no "${key}"${suggestion(key, allowed)} here`))
  }
  const at = (name: string) => entry(written, name)
  const fail = (message: string) => {
    mistakes.push(mistakeAt(written, message))
    return null
  }
  const wrong = (value: Written, message: string) => {
    mistakes.push(mistakeAt(value, message))
    return null
  }
  const text = (name: string) => {
    const value = at(name)
    if (value === null) return null
    return value.kind === 'text' ? value.text : wrong(value, `"${name}" must be a text`)
  }
  return {
    written,
    line: written.place.line,
    has: (name) => written.entries.has(name),
    at,
    fail,
    text,
    field(name, isNeeded) {
      const value = at(name)
      if (value === null) return isNeeded ? fail(`"${name}" is missing: which source field?`) : null
      const parts = value.kind === 'list' ? value.items : [value]
      if (parts.length === 0) return wrong(value, `"${name}" names no field`)
      const fields = parts.map((part) => compileSourceField(part, compiling))
      return joined(fields.filter((field) => field !== null))
    },
    flag(name) {
      const value = at(name)
      if (value === null) return false
      return value.kind === 'boolean'
        ? value.value
        : (wrong(value, `"${name}" must be true or false`) ?? false)
    },
    texts(name) {
      const value = at(name)
      if (value === null) return null
      const items = value.kind === 'list' ? value.items : [value]
      const texts = items.map((item) => (item.kind === 'text' ? item.text : null))
      return texts.every((item) => item !== null) ? texts : wrong(value, `"${name}" must be a list of texts`)
    },
    count(name, min, max) {
      const value = at(name)
      if (value === null) return null
      const number = value.kind === 'text' && /^-?\d{1,6}$/.test(value.text) ? Number(value.text) : Number.NaN
      if (number >= min && number <= max) return number
      return wrong(value, `"${name}" must be a whole number from ${min} to ${max}`)
    },
    table(name) {
      const value = at(name)
      if (value === null) return null
      if (value.kind !== 'text') return wrong(value, `"${name}" must name a table`)
      const table = compiling.tables.get(value.text)
      if (table !== undefined) return table
      const near = suggestion(value.text, [...compiling.tables.keys()])
      return wrong(value, `there is no table "${value.text}"${near}`)
    },
    oneOf(name, values) {
      const value = text(name)
      if (value === null || values.includes(value)) return value
      const place = at(name)
      return place === null
        ? null
        : wrong(place, `"${name}" cannot be "${value}"${suggestion(value, values)}`)
    },
  }
}
