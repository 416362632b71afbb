import { topicUnknown } from '../drafts.ts'
import { LogError } from '../errors.ts'

/** Error codes of Kafka's protocol that the driver tells apart, or calls by their names. */
export const CODES = {
  NONE: 0,
  OFFSET_OUT_OF_RANGE: 1,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  LEADER_NOT_AVAILABLE: 5,
  NOT_LEADER_OR_FOLLOWER: 6,
  REQUEST_TIMED_OUT: 7,
  BROKER_NOT_AVAILABLE: 8,
  MESSAGE_TOO_LARGE: 10,
  COORDINATOR_LOAD_IN_PROGRESS: 14,
  COORDINATOR_NOT_AVAILABLE: 15,
  NOT_COORDINATOR: 16,
  INVALID_TOPIC: 17,
  RECORD_LIST_TOO_LARGE: 18,
  NOT_ENOUGH_REPLICAS: 19,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 20,
  ILLEGAL_GENERATION: 22,
  UNKNOWN_MEMBER_ID: 25,
  REBALANCE_IN_PROGRESS: 27,
  TOPIC_AUTHORIZATION_FAILED: 29,
  GROUP_AUTHORIZATION_FAILED: 30,
  CLUSTER_AUTHORIZATION_FAILED: 31,
  TOPIC_ALREADY_EXISTS: 36,
  INVALID_REPLICATION_FACTOR: 38,
  NOT_CONTROLLER: 41,
  POLICY_VIOLATION: 44,
  OUT_OF_ORDER_SEQUENCE: 45,
  INVALID_PRODUCER_EPOCH: 47,
  INVALID_TXN_STATE: 48,
  INVALID_PRODUCER_ID_MAPPING: 49,
  INVALID_TRANSACTION_TIMEOUT: 50,
  CONCURRENT_TRANSACTIONS: 51,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 53,
  OPERATION_NOT_ATTEMPTED: 55,
  KAFKA_STORAGE_ERROR: 56,
  UNKNOWN_PRODUCER_ID: 59,
  FENCED_LEADER_EPOCH: 74,
  UNKNOWN_LEADER_EPOCH: 75,
  OFFSET_NOT_AVAILABLE: 78,
  MEMBER_ID_REQUIRED: 79,
  INVALID_RECORD: 87,
  UNSTABLE_OFFSET_COMMIT: 88,
  PRODUCER_FENCED: 90,
  UNKNOWN_TOPIC_ID: 100,
  TRANSACTIONAL_ID_NOT_FOUND: 105,
} as const

const NAMES = new Map<number, string>(Object.entries(CODES).map(([name, code]) => [code, name]))

export function codeName(code: number): string {
  return NAMES.get(code) ?? `error ${code}`
}

/** The request had no effect, and the same one may go through in a moment, from another broker perhaps. */
export function isTransient(code: number): boolean {
  return TRANSIENT.has(code)
}

const TRANSIENT: ReadonlySet<number> = new Set([
  CODES.LEADER_NOT_AVAILABLE,
  CODES.NOT_LEADER_OR_FOLLOWER,
  CODES.BROKER_NOT_AVAILABLE,
  CODES.COORDINATOR_LOAD_IN_PROGRESS,
  CODES.COORDINATOR_NOT_AVAILABLE,
  CODES.NOT_COORDINATOR,
  CODES.NOT_CONTROLLER,
  CODES.CONCURRENT_TRANSACTIONS,
  CODES.FENCED_LEADER_EPOCH,
  CODES.UNKNOWN_LEADER_EPOCH,
  CODES.OFFSET_NOT_AVAILABLE,
  CODES.UNSTABLE_OFFSET_COMMIT,
])

/** Whoever was asked may not be the one to ask any more; one that is only not done yet still is. */
export function isElsewhere(code: number): boolean {
  return isTransient(code) && code !== CODES.CONCURRENT_TRANSACTIONS && code !== CODES.UNSTABLE_OFFSET_COMMIT
}

/** Another writer has the identity; or the transaction ran into the broker's time-out, which it tells alike. */
export function isFence(code: number): boolean {
  return code === CODES.PRODUCER_FENCED || code === CODES.INVALID_PRODUCER_EPOCH
}

/** Rights are missing. */
export function isDenied(code: number): boolean {
  return DENIED.has(code)
}

const DENIED: ReadonlySet<number> = new Set([
  CODES.TOPIC_AUTHORIZATION_FAILED,
  CODES.GROUP_AUTHORIZATION_FAILED,
  CODES.CLUSTER_AUTHORIZATION_FAILED,
  CODES.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
])

/** The broker says that it has not taken a batch, and its number is free. */
export function isUntaken(code: number): boolean {
  return isTransient(code) || isForGood(code) || code === CODES.NOT_ENOUGH_REPLICAS
}

/** The same would be refused at any time, until somebody changes something. */
export function isForGood(code: number): boolean {
  return isDenied(code) || FOR_GOOD.has(code)
}

const FOR_GOOD: ReadonlySet<number> = new Set([
  CODES.MESSAGE_TOO_LARGE,
  CODES.RECORD_LIST_TOO_LARGE,
  CODES.INVALID_RECORD,
  CODES.INVALID_TOPIC,
  CODES.UNKNOWN_TOPIC_OR_PARTITION,
])

/** What a broker's refusal of a part of a transaction means to an operator. */
export function reasonFor(code: number, about: string): string {
  if (code === CODES.UNKNOWN_TOPIC_OR_PARTITION) return topicUnknown(about)
  if (code === CODES.MESSAGE_TOO_LARGE || code === CODES.RECORD_LIST_TOO_LARGE) {
    return `A record for ${about} is over the broker's limit (max.message.bytes of the topic); raise it or make the record smaller.`
  }
  return refusal(code, about).message
}

/** What a broker's refusal means to an operator. `about` is what was asked for: "topic erp.payment.v1". */
export function refusal(code: number, about: string): LogError {
  const name = codeName(code)
  if (isDenied(code)) {
    return new LogError('LOG_DENIED', `Kafka denies ${about} (${name}); grant it to the gateway's user.`)
  }
  if (code === CODES.UNKNOWN_TOPIC_OR_PARTITION) {
    return new LogError('LOG_TOPIC_UNKNOWN', `Kafka does not know ${about}.`)
  }
  if (isTransient(code) || RETRIED_LATER.has(code)) {
    return new LogError(
      'LOG_UNAVAILABLE',
      `Kafka could not answer for ${about} (${name}); it is tried again.`,
    )
  }
  return new LogError('LOG_UNFIT', `Kafka refuses ${about} (${name}); see the broker's log.`)
}

const RETRIED_LATER: ReadonlySet<number> = new Set([
  CODES.REQUEST_TIMED_OUT,
  CODES.NOT_ENOUGH_REPLICAS,
  CODES.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  CODES.KAFKA_STORAGE_ERROR,
])
