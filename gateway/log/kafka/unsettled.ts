import { LogError } from '../errors.ts'
import { type KafkaCluster, REQUEST_MS } from './cluster.ts'
import { CODES, isDenied, isTransient, refusal } from './codes.ts'
import { LIST_OFFSETS, type OffsetKind, type TopicParts } from './messages-cluster.ts'
import { DESCRIBE_PRODUCERS, DESCRIBE_TRANSACTION, type Producer } from './messages-transaction.ts'
import type { Topics } from './topics.ts'

/**
 * Kafka can lose the markers of a transaction that it has decided. A coordinator that is started again after a kill
 * drops those which it still owes to partitions that have no leader at that moment, as all of a cluster of one broker
 * have until it is let in again, and calls the transaction complete ("likely deleted already and hence can be skipped";
 * measured with 4.3.1, in one of ten kills). The records then stay undecided: readers stop there, and the next commit
 * of the same writer, whatever it was about, would decide them as well. So that whoever opens a writer ends what is
 * left, the way that it was decided.
 */

/** How a transaction was decided. */
export type Decision = 'commit' | 'abort'

/** A partition with records that have no marker, and the first of them. */
export type Unsettled = Readonly<{ wire: string; partition: number; offset: number }>

/** The last transaction of an identity: who wrote it, and its state in Kafka's words; null where there was none. */
export type LastTransaction = Readonly<{ error: number; producer: Producer | null; state: string | null }>

export async function lastTransaction(
  cluster: KafkaCluster,
  identity: string,
  node: number,
): Promise<LastTransaction> {
  const target = { node, use: 'write', timeoutMs: REQUEST_MS } as const
  const [last] = await cluster.ask(DESCRIBE_TRANSACTION, identity, target)
  if (last === undefined || last.error === CODES.TRANSACTIONAL_ID_NOT_FOUND) {
    return { error: CODES.NONE, producer: null, state: null }
  }
  return last
}

/** Null where its markers are not written yet, and where nobody can say any more. */
export function decisionOf({ state }: LastTransaction): Decision | null {
  if (state === 'CompleteCommit') return 'commit'
  return state === 'CompleteAbort' ? 'abort' : null
}

/** It is decided, and its markers are on their way. */
export function isEnding({ state }: LastTransaction): boolean {
  return state?.startsWith('Prepare') === true
}

/** Partitions, of topics used until now, where records of this writer are undecided. Costs two requests a broker where none are. */
export async function findUnsettled(
  cluster: KafkaCluster,
  topics: Topics,
  producerId: bigint,
  signal: AbortSignal,
): Promise<readonly Unsettled[]> {
  const found: Unsettled[] = []
  for (const [node, of] of await topics.usedByLeader(signal)) {
    const stable = await offsets(cluster, node, of, 'stable', signal)
    const ends = await offsets(cluster, node, of, 'latest', signal)
    const held = of.map(({ topic, partitions }): TopicParts => {
      const isHeld = (partition: number) => {
        const name = `${topic}/${partition}`
        return (stable.get(name) ?? 0) < (ends.get(name) ?? 0)
      }
      return { topic, partitions: partitions.filter(isHeld) }
    })
    const asked = held.filter(({ partitions }) => partitions.length > 0)
    if (asked.length > 0) found.push(...(await undecidedBy(cluster, node, asked, producerId)))
  }
  return found
}

/** What a person has to do where nobody knows how it was decided. */
export function undecidable(identity: string, [first]: readonly Unsettled[]): LogError {
  const where = first === undefined ? '' : ` in ${first.wire}/${first.partition} at offset ${first.offset}`
  return new LogError(
    'LOG_UNDECIDED',
    `Kafka lost the end of a transaction of ${identity}${where}, and does not know any more how it ended. See \`kafka-transactions.sh find-hanging\`; \`kafka-transactions.sh abort\` takes its records back, and they are published anew.`,
  )
}

/** What a person has to do where somebody broke off what was being committed. */
export function overtaken(identity: string, [first]: readonly Unsettled[]): LogError {
  const where =
    first === undefined ? '' : `, from ${first.wire}/${first.partition} at offset ${first.offset} on,`
  return new LogError(
    'LOG_UNDECIDED',
    `Another writer of ${identity} came, or Kafka ended it, while a transaction that had lost its end was committed again; what it held${where} may be gone. Run \`erpgw resync\` for the feed; it publishes what is missing.`,
  )
}

/** By `<topic>/<partition>`; without those that we may not read. */
async function offsets(
  cluster: KafkaCluster,
  node: number,
  of: readonly TopicParts[],
  which: OffsetKind,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const target = { node, use: 'read', timeoutMs: REQUEST_MS } as const
  const answers = await cluster.repeat(
    () => cluster.ask(LIST_OFFSETS, { of, which }, target),
    (all) => all.some(({ error }) => isTransient(error)),
    REQUEST_MS,
    signal,
  )
  const known = answers.filter(({ error }) => !isDenied(error))
  for (const { error, topic, partition } of known) {
    if (error !== CODES.NONE) throw refusal(error, `partition ${partition} of topic ${topic}`)
  }
  return new Map(known.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]))
}

async function undecidedBy(
  cluster: KafkaCluster,
  node: number,
  of: readonly TopicParts[],
  producerId: bigint,
): Promise<readonly Unsettled[]> {
  const answers = await cluster.ask(DESCRIBE_PRODUCERS, of, { node, use: 'read', timeoutMs: REQUEST_MS })
  return answers.flatMap(({ error, topic, partition, producers }): Unsettled[] => {
    if (error !== CODES.NONE && !isDenied(error)) {
      throw refusal(error, `the writers of partition ${partition} of topic ${topic}`)
    }
    const own = producers.find((one) => one.id === producerId && one.firstUndecided >= 0)
    return own === undefined ? [] : [{ wire: topic, partition, offset: own.firstUndecided }]
  })
}
