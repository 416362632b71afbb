import type { ErrorObject } from 'ajv/dist/2020.js'

/** More would not help anybody to find the first mistake. */
const SENTENCES_MAX = 20

/**
 * What Ajv found, as sentences for the person who keeps the mapping: where, what is allowed there, and what kind of
 * value stood there instead. Values themselves are shown only where the list of allowed ones is closed: those are the
 * mapping's own codes, all others may be anybody's data.
 */
export function sentencesOf(errors: readonly ErrorObject[], title: string): readonly string[] {
  const sentences = new Set(errors.slice(0, SENTENCES_MAX).map((error) => sentenceOf(error, title)))
  const more = errors.length - SENTENCES_MAX
  return more > 0 ? [...sentences, `And ${more} more.`] : [...sentences]
}

function sentenceOf(error: ErrorObject, title: string): string {
  const { instancePath, keyword, params } = error
  const place = instancePath === '' ? 'The data' : instancePath
  switch (keyword) {
    case 'required':
      return `${instancePath}/${String(params['missingProperty'])} is missing: ${title} requires it.`
    case 'additionalProperties':
      return `${instancePath}/${String(params['additionalProperty'])} is not a field of ${title}. ${fieldsOf(error)}`
    case 'x-either-of':
      return `${place} needs at least one of ${listOf(error.schema)}.`
    case 'minLength':
      return `${place} must not be empty.`
    case 'maxLength':
      return `${place} must have at most ${String(params['limit'])} characters.`
    default:
      return `${place} must be ${wanted(error.parentSchema)}, not ${found(error)}.`
  }
}

type Wanted = ErrorObject['parentSchema']

const FORMATS: Readonly<Record<string, string>> = {
  decimal: 'an exact decimal as text in plain notation ("1234.50")',
  date: 'a date of the calendar as text ("2026-09-30")',
  'date-time': 'an instant as text with its offset ("2026-09-30T08:15:02+08:00")',
}

const TYPES: Readonly<Record<string, string>> = {
  object: 'an object',
  array: 'a list',
  string: 'text',
  boolean: 'true or false',
  null: 'null',
}

/** What is allowed: the whole of it, since the first mistake found is not always the only one. */
function wanted(schema: Wanted): string {
  if (schema === undefined) return 'something else'
  const types: readonly unknown[] = [schema['type']].flat()
  const isNullable = types.includes('null')
  return isNullable
    ? `${wantedType(schema, String(types[0]))}, or null`
    : wantedType(schema, String(types[0]))
}

function wantedType(schema: NonNullable<Wanted>, type: string): string {
  if (Array.isArray(schema['enum'])) return `one of ${listOf(schema['enum'].filter((code) => code !== null))}`
  if (type === 'integer') return `a whole number from ${schema['minimum']} to ${schema['maximum']}`
  if (typeof schema['pattern'] === 'string') return `text of the form ${schema['pattern']}`
  return FORMATS[String(schema['format'])] ?? TYPES[type] ?? type
}

function found(error: ErrorObject): string {
  const { data, keyword, parentSchema } = error
  if (Array.isArray(data)) return 'a list'
  if (data === null) return 'null'
  if (typeof data === 'number') return 'a number'
  if (typeof data === 'boolean') return String(data)
  if (typeof data !== 'string') return 'an object'
  if (data === '') return 'an empty text'
  if (parentSchema !== undefined && Array.isArray(parentSchema['enum'])) return printable(data)
  return keyword === 'type' ? 'text' : 'this text'
}

const SHOWN_CHARACTERS = 40

/** Quoted, short, and without anything that a terminal or a chat would act on. */
function printable(text: string): string {
  const shown = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text
  return JSON.stringify(shown.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\ufffd'))
}

const LISTED_MAX = 12

function fieldsOf(error: ErrorObject): string {
  const names = Object.keys(error.parentSchema?.['properties'] ?? {})
  return names.length > LISTED_MAX ? 'Its schema lists the fields.' : `Allowed there: ${names.join(', ')}.`
}

function listOf(names: unknown): string {
  return Array.isArray(names) ? names.join(', ') : ''
}
