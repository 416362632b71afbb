/** SCHEMA_INVALID: a schema file cannot be used. SCHEMA_UNKNOWN: no schema has this name. */
export type SchemaErrorCode = 'SCHEMA_INVALID' | 'SCHEMA_UNKNOWN'

/**
 * The one error of this room. `message` is a sentence for whoever keeps the schemas, with file and pointer. An event
 * that does not fit its schema is a value, not an error.
 */
export class SchemaError extends Error {
  override readonly name = 'SchemaError'
  readonly code: SchemaErrorCode

  constructor(code: SchemaErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
