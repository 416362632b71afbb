/** What can be wrong with the schemas themselves. An event that does not fit its schema is a value, not an error. */
export const SCHEMA_ERRORS = {
  SCHEMA_INVALID: 'A schema file cannot be used.',
  SCHEMA_UNKNOWN: 'No schema has this name.',
} as const

export type SchemaErrorCode = keyof typeof SCHEMA_ERRORS

/** The one error of this room. `message` is a sentence for whoever keeps the schemas, with file and pointer. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError'
  readonly code: SchemaErrorCode

  constructor(code: SchemaErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
