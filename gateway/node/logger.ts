import pino from 'pino'
import { printableJson } from '../json-text.ts'
import type { Redactor } from '../redactor.ts'
import type { Logger } from '../runtime.ts'
import { sanitise } from '../sanitise.ts'

export type LoggerOptions = Readonly<{
  write(line: string): void
  /** A terminal gets lines for people, everything else one JSON object a line. */
  isTerminal: boolean
  redactor: Redactor
  now(): number
}>

/** What programs print. Nothing leaves it with a secret or a control character in it. */
export function createLogger(options: LoggerOptions): Logger {
  return options.isTerminal ? terminalLogger(options) : jsonLogger(options)
}

function jsonLogger({ write, redactor }: LoggerOptions): Logger {
  const logger = pino(
    {
      base: null,
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    { write: (line: string) => write(printableJson(redactor.redact(line))) },
  )
  return {
    info: (message, fields = {}) => logger.info(fields, sanitise(redactor.redact(message))),
    warn: (message, fields = {}) => logger.warn(fields, sanitise(redactor.redact(message))),
    error: (message, fields = {}) => logger.error(fields, sanitise(redactor.redact(message))),
  }
}

/** A line of progress may stand there. */
const CLEAR_LINE = '\r\x1b[2K'

function terminalLogger({ write, redactor, now }: LoggerOptions): Logger {
  const line =
    (mark: string) =>
    (message: string, fields: object = {}) => {
      const time = new Date(now()).toISOString().slice(11, 19)
      const facts = Object.entries(fields)
        .filter(([name]) => name !== 'stack')
        .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
      const text = [message, ...(facts.length > 0 ? [`(${facts.join(', ')})`] : [])].join(' ')
      write(`${CLEAR_LINE}${time} ${mark} ${sanitise(redactor.redact(text))}\n`)
    }
  return { info: line(' '), warn: line('!'), error: line('✗') }
}
