import { LogError } from './errors.ts'
import type { Cleanup, Draft, Transaction } from './port.ts'

/**
 * The largest record that every driver takes: key, value and headers in bytes. Kafka's default
 * (`message.max.bytes`, 1,048,588) counts the batch around it as well.
 */
export const RECORD_BYTES_MAX = 1_000_000

/** The largest transaction of the embedded log, in bytes: it is one message and one piece of the write-ahead log. */
const TRANSACTION_BYTES_MAX = 24_000_000

/** What bookkeeping adds to each record of a transaction, in bytes. */
const RECORD_OVERHEAD_BYTES = 32

/** Throws LOG_MISUSED where a transaction has nothing in it or a position that is none: mistakes of the caller. */
export function assertTransaction(transaction: Transaction): void {
  const positions = transaction.positions ?? []
  if (transaction.records.length === 0 && positions.length === 0) {
    throw new LogError('LOG_MISUSED', 'A transaction without records and positions was given to the log.')
  }
  for (const { group, topic, partition, position } of positions) {
    if (!Number.isSafeInteger(position) || position < 0) {
      throw new LogError('LOG_MISUSED', `${position} is no position of ${group} in ${topic}/${partition}.`)
    }
  }
}

/** Why a record can never be taken, as a sentence, or null. `bytes`: of key, value and headers. */
export function refusalOf(draft: Draft, cleanup: Cleanup, bytes: number): string | null {
  if (draft.key === null && cleanup === 'compact') {
    return `A record without a key cannot go to ${draft.topic}, which keeps the newest record of each key.`
  }
  if (bytes <= RECORD_BYTES_MAX) return null
  return `A record of ${bytes} bytes for ${draft.topic} is over the limit of ${RECORD_BYTES_MAX}; make it smaller.`
}

/** Why a transaction can never be taken, or null. `bytes`: of all its records. */
export function oversizeOf(records: number, bytes: number): string | null {
  const whole = bytes + records * RECORD_OVERHEAD_BYTES
  if (whole <= TRANSACTION_BYTES_MAX) return null
  return `A transaction of ${whole} bytes is over the limit of ${TRANSACTION_BYTES_MAX}; split it.`
}

export function topicUnknown(topic: string): string {
  return `There is no topic ${topic} in the log; it must be made by \`ensure\` first.`
}
