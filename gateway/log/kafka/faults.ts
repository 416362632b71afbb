import { LogError } from '../errors.ts'
import type { Commit } from '../port.ts'
import { KafkaFault, type KafkaFaultKind } from './client.ts'

/** What a client threw, as a fault: `kind` is what it is where nothing in the error says that the login failed. */
export function faultOf(error: unknown, where: string, kind: KafkaFaultKind = 'unsent'): KafkaFault {
  const parts = [...chainOf(error)]
  const login = parts.find(isLogin)
  if (login !== undefined) {
    const sentence = `Kafka at ${where} does not let the gateway in: ${wordsOf(login)}; ${adviceFor(login)}.`
    return new KafkaFault('login', sentence, error)
  }
  const cause = wordsOf(parts.at(-1))
  if (kind === 'lost')
    return new KafkaFault('lost', `The connection to Kafka at ${where} was lost: ${cause}.`, error)
  const advice = /before secure TLS/.test(cause) ? '; does it speak TLS there (log.tls)?' : '.'
  return new KafkaFault(kind, `Kafka at ${where} cannot be reached: ${cause}${advice}`, error)
}

function adviceFor(login: Error): string {
  const code = codeOf(login)
  if (ALERT.test(login.message)) return 'it wants a certificate that it trusts (log.tls.cert and log.tls.key)'
  if (code === 'CERT_HAS_EXPIRED') return 'the broker needs a new certificate'
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return 'name it as its certificate does, in log.brokers and in its advertised.listeners'
  }
  if (isTls(code)) return 'give the certificate of its authority in log.tls.ca'
  return 'check user, password and mechanism in log.sasl'
}

/** What the other side says of our certificate, amid words of OpenSSL. */
const ALERT = /alert ([a-z ]+)/

/** An error of the driver's parts as the one that logs throw. */
export function asLogError(error: unknown): unknown {
  if (error instanceof KafkaFault) {
    return new LogError(error.kind === 'login' ? 'LOG_DENIED' : 'LOG_UNAVAILABLE', error.message, error)
  }
  if (error instanceof RangeError) {
    return new LogError(
      'LOG_UNFIT',
      `Kafka sent an answer that cannot be understood: ${error.message}`,
      error,
    )
  }
  return error
}

/** What an error means to a transaction of which nothing was sent; throws it where it is a bug. */
export function asRefused(error: unknown): Extract<Commit, { kind: 'refused' }> {
  const known = asLogError(error)
  if (!(known instanceof LogError)) throw known
  return { kind: 'refused', retryable: known.remedy === 'retry', reason: known.message }
}

/** An error, what caused it and what it is made of, from the outside in. Clients wrap what happened. */
function* chainOf(error: unknown, depth = 0): Generator<Error> {
  if (!(error instanceof Error) || depth > CHAIN_MAX) return
  yield error
  yield* chainOf(error.cause, depth + 1)
  if ('errors' in error && Array.isArray(error.errors)) {
    for (const inner of error.errors) yield* chainOf(inner, depth + 1)
  }
}

const CHAIN_MAX = 8

/** A refused password, or a certificate that one side does not accept. */
function isLogin(error: Error): boolean {
  const code = codeOf(error)
  return (
    /AUTHENTICATION|SASL/.test(`${code} ${error.name.toUpperCase()}`) ||
    isTls(code) ||
    ALERT.test(error.message)
  )
}

function isTls(code: string): boolean {
  return /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|UNABLE_TO_|SELF_SIGNED|EPROTO)/.test(code)
}

function codeOf(error: Error): string {
  if ('code' in error && typeof error.code === 'string') return error.code
  return 'type' in error && typeof error.type === 'string' ? error.type : ''
}

function wordsOf(error: Error | undefined): string {
  if (error === undefined) return 'no reason was given'
  const code = codeOf(error)
  const text = ALERT.exec(error.message)?.[0] ?? error.message.replace(/\.$/, '')
  return code === '' || text.includes(code) ? text : `${text} (${code})`
}
