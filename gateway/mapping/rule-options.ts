import { suggestion } from './mistake.ts'
import type { Compiling, Table } from './rule.ts'
import { compileSourceField, joined, type SourceField } from './source-field.ts'
import { entry, mistakeAt, mistakeAtKey, type Written, type WrittenMap } from './written.ts'

/**
 * The options of one rule, read with their mistakes collected; every reader gives its default when
 * all is not well.
 */
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
    const near = suggestion(key, allowed)
    mistakes.push(mistakeAtKey(written, key, `a rule has no "${key}"${near} here`))
  }
  const fail = (message: string) => {
    mistakes.push(mistakeAt(written, message))
    return null
  }
  return {
    written,
    line: written.place.line,
    has: (name) => written.entries.has(name),
    at: (name) => entry(written, name),
    fail,
    field: (name, isNeeded) => readField(written, name, isNeeded, compiling),
    ...scalarReaders(written, compiling),
  }
}

function readField(
  written: WrittenMap,
  name: string,
  isNeeded: boolean,
  compiling: Compiling,
): SourceField | null {
  const value = entry(written, name)
  const parts = value?.kind === 'list' ? value.items : value === null ? [] : [value]
  if (parts.length === 0 && (isNeeded || value !== null)) {
    compiling.mistakes.push(mistakeAt(value ?? written, `"${name}" is missing: which source field?`))
  }
  const fields = parts.map((part) => compileSourceField(part, compiling))
  return joined(fields.filter((field) => field !== null))
}

type ScalarReaders = Pick<RuleOptions, 'text' | 'flag' | 'texts' | 'count' | 'table' | 'oneOf'>

function scalarReaders(written: WrittenMap, compiling: Compiling): ScalarReaders {
  const wrong = (value: Written, message: string) => {
    compiling.mistakes.push(mistakeAt(value, message))
    return null
  }
  const text = (name: string) => {
    const value = entry(written, name)
    if (value === null || value.kind === 'text') return value?.text ?? null
    return wrong(value, `"${name}" must be a text`)
  }
  return {
    text,
    flag(name) {
      const value = entry(written, name)
      if (value !== null && value.kind !== 'boolean') wrong(value, `"${name}" must be true or false`)
      return value?.kind === 'boolean' && value.value
    },
    texts(name) {
      const value = entry(written, name)
      if (value === null) return null
      const items = value.kind === 'list' ? value.items : [value]
      const texts = items.map((item) => (item.kind === 'text' ? item.text : null))
      if (texts.every((item) => item !== null)) return texts
      return wrong(value, `"${name}" must be a list of texts`)
    },
    count(name, min, max) {
      const value = entry(written, name)
      if (value === null) return null
      const isNumber = value.kind === 'text' && /^-?\d{1,6}$/.test(value.text)
      const number = isNumber ? Number(value.text) : Number.NaN
      if (number >= min && number <= max) return number
      return wrong(value, `"${name}" must be a whole number from ${min} to ${max}`)
    },
    table(name) {
      const value = entry(written, name)
      if (value === null) return null
      if (value.kind !== 'text') return wrong(value, `"${name}" must name a table`)
      const near = suggestion(value.text, [...compiling.tables.keys()])
      return compiling.tables.get(value.text) ?? wrong(value, `there is no table "${value.text}"${near}`)
    },
    oneOf(name, values) {
      const value = text(name)
      if (value === null || values.includes(value)) return value
      const near = suggestion(value, values)
      return wrong(entry(written, name) ?? written, `"${name}" cannot be "${value}"${near}`)
    },
  }
}
