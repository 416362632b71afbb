/** What the gateway does about an error; all that the lane's policy looks at. */
export type Remedy = 'fix-config' | 'retry' | 'resync' | 'lookup'

/** Every error an adapter may throw: its code, what the gateway does about it, and what it means to an operator. */
export const ADAPTER_ERRORS = {
  ADAPTER_CONFIG_INVALID: { remedy: 'fix-config', meaning: 'A setting of the source cannot work.' },
  ADAPTER_AUTH_FAILED: { remedy: 'fix-config', meaning: 'The source refused the user, key or password.' },
  ADAPTER_ENTITY_UNKNOWN: {
    remedy: 'fix-config',
    meaning: 'The table, file pattern or operation is not there.',
  },
  ADAPTER_UNREACHABLE: { remedy: 'retry', meaning: 'The source did not answer, or closed the connection.' },
  ADAPTER_TIMEOUT: { remedy: 'retry', meaning: 'The source did not answer in time.' },
  ADAPTER_THROTTLED: { remedy: 'retry', meaning: 'The source asked for a pause.' },
  ADAPTER_SCHEMA_MOVED: {
    remedy: 'retry',
    meaning: 'The source changed shape while it was read; it is described anew.',
  },
  ADAPTER_CURSOR_STALE: { remedy: 'resync', meaning: 'The stored cursor no longer fits the source.' },
  ADAPTER_OUTCOME_UNKNOWN: { remedy: 'lookup', meaning: 'A command was sent and no answer came.' },
} as const satisfies Record<string, { remedy: Remedy; meaning: string }>

export type AdapterErrorCode = keyof typeof ADAPTER_ERRORS

/**
 * The one error that adapters throw. `message` is one sentence for an operator: no payload, no secret, and what to
 * check next. `details` holds the facts, `cause` the original.
 */
export class AdapterError extends Error {
  override readonly name = 'AdapterError'
  readonly code: AdapterErrorCode
  readonly details: Readonly<Record<string, string | number | boolean | null>>

  constructor(
    code: AdapterErrorCode,
    message: string,
    options: Readonly<{
      cause?: unknown
      details?: Readonly<Record<string, string | number | boolean | null>>
    }> = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
  }

  get remedy(): Remedy {
    return ADAPTER_ERRORS[this.code].remedy
  }
}
