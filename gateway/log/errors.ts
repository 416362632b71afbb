/** What a person or the gateway can do about an error of the log. */
export type LogRemedy = 'fix-config' | 'retry' | 'restart' | 'restore' | 'fix-code'

/** Every error that a log throws: its code, what to do about it, and what it means to an operator. */
export const LOG_ERRORS = {
  LOG_FOLDER_UNSAFE: { remedy: 'fix-config', meaning: 'Others could read or change the folder of the log.' },
  LOG_FOLDER_MISSING: { remedy: 'fix-config', meaning: 'There is no log in this folder.' },
  LOG_HELD: { remedy: 'fix-config', meaning: 'Another process writes this log.' },
  LOG_FORMAT_UNKNOWN: {
    remedy: 'fix-config',
    meaning: 'The file was written by another version or program.',
  },
  LOG_CORRUPT: {
    remedy: 'restore',
    meaning: 'The file of the log is damaged or gone; restore it from a backup.',
  },
  LOG_TOPIC_UNKNOWN: {
    remedy: 'fix-code',
    meaning: 'A topic or partition was used that `ensure` never made.',
  },
  LOG_MISUSED: { remedy: 'fix-code', meaning: 'The gateway broke a rule of the log; this is a bug.' },
  LOG_UNAVAILABLE: { remedy: 'retry', meaning: 'The log did not take the request; it had no effect.' },
  LOG_DENIED: {
    remedy: 'fix-config',
    meaning: 'Kafka refuses the gateway’s credentials, certificate or rights.',
  },
  LOG_UNFIT: {
    remedy: 'fix-config',
    meaning: 'Kafka is too old, is set up in a way that cannot be worked with, or refuses a request.',
  },
  LOG_TRUNCATED: {
    remedy: 'restore',
    meaning: 'A partition ends before what was read of it: records are lost, or another topic has its name.',
  },
  LOG_UNDECIDED: {
    remedy: 'restore',
    meaning: 'Kafka lost the end of a transaction and how it was decided; a person must decide it.',
  },
  LOG_STOPPED: {
    remedy: 'restart',
    meaning: 'The log stopped after a failure and takes nothing until reopened.',
  },
  LOG_CLOSED: { remedy: 'fix-code', meaning: 'The log was used after it was closed.' },
} as const satisfies Record<string, { remedy: LogRemedy; meaning: string }>

export type LogErrorCode = keyof typeof LOG_ERRORS

/**
 * The one error that logs throw. `message` is a sentence for an operator that says what to do. What a transaction
 * came to is never thrown but told by `Commit`, except for mistakes of the caller.
 */
export class LogError extends Error {
  override readonly name = 'LogError'
  readonly code: LogErrorCode

  constructor(code: LogErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }

  get remedy(): LogRemedy {
    return LOG_ERRORS[this.code].remedy
  }
}
