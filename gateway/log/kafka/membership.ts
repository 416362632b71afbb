import type { Runtime } from '../../runtime.ts'
import { topicUnknown } from '../drafts.ts'
import { LogError } from '../errors.ts'
import type { Assignment, TopicPartition } from '../port.ts'
import { KafkaFault } from './client.ts'
import { type KafkaCluster, REQUEST_MS, type Target, type Use } from './cluster.ts'
import { CODES, refusal } from './codes.ts'
import { asLogError } from './faults.ts'
import type { Following } from './following.ts'
import {
  type GroupMember,
  type GroupShare,
  HEARTBEAT,
  JOIN_GROUP,
  LEAVE_GROUP,
  SYNC_GROUP,
} from './messages-group.ts'
import type { Reading } from './reading.ts'
import type { Topics } from './topics.ts'
import { untilAborted } from './until-aborted.ts'

/** After so long without a word a member counts as gone, to the broker and to itself. The least that brokers take is 6 s. */
const SESSION_MS = 10_000
const HEARTBEAT_MS = 500

/** How long the broker waits for members to join again; they hear of it by their next heartbeat. */
const REBALANCE_MS = 10_000

/** Pause after trouble, and the longest that leaving may take. */
const PAUSE_MS = 500
const LEAVE_MS = 2_000

export type MembershipOptions = Readonly<{
  cluster: KafkaCluster
  topics: Topics
  reading: Reading
  following: Following
  runtime: Runtime
  /** As the cluster knows it, with the prefix. */
  group: string
  names: readonly string[]
}>

/**
 * A member of a group by the classic protocol. Heartbeats go on beside whatever its owner does, so that slow work costs
 * no membership; all partitions are given up before they are dealt anew.
 */
export async function* joinGroup(
  options: MembershipOptions,
  signal: AbortSignal,
): AsyncGenerator<Assignment> {
  signal.throwIfAborted()
  const member = new Member(options, AbortSignal.any([signal, options.cluster.closed]))
  const living = member.live()
  try {
    for (;;) {
      const assignment = await member.next()
      if (assignment === null) break
      if (!assignment.signal.aborted) yield assignment
    }
  } finally {
    member.stop()
    await living
  }
  if (member.failure !== null) throw member.failure
}

type Joined = Readonly<{ generation: number; leader: string; members: readonly GroupMember[] }>

class Member {
  readonly #options: MembershipOptions
  readonly #stopping = new AbortController()
  readonly #signal: AbortSignal
  /** Of its own: the broker holds a join back until all have joined, and with it whatever comes after on a connection. */
  readonly #use: Use
  #id = ''
  #owners: AbortController[] = []
  #arrived: Assignment[] = []
  #change = Promise.withResolvers<void>()
  #isOver = false
  failure: unknown = null

  constructor(options: MembershipOptions, signal: AbortSignal) {
    this.#options = options
    this.#use = `member ${options.runtime.uuid()}`
    this.#signal = AbortSignal.any([signal, this.#stopping.signal])
    this.#signal.addEventListener('abort', () => this.#revoke('the member left'), { once: true })
  }

  stop(): void {
    this.#stopping.abort()
  }

  /** The next partition that came to this member; null when it has left. */
  async next(): Promise<Assignment | null> {
    for (;;) {
      const assignment = this.#arrived.shift()
      if (assignment !== undefined) return assignment
      if (this.#isOver) return null
      await this.#change.promise
      this.#change = Promise.withResolvers()
    }
  }

  /** Joins, keeps in touch and joins again, until it is told to stop or can never be a member. */
  async live(): Promise<void> {
    while (!this.#signal.aborted && this.failure === null) {
      try {
        await this.#once()
      } catch (error) {
        await this.#recover(error)
      }
      this.#revoke('of a rebalance')
    }
    await this.#leave()
    this.#options.cluster.hangUp(this.#use)
    this.#isOver = true
    this.#change.resolve()
  }

  /** One generation of the group. */
  async #once(): Promise<void> {
    const joined = await this.#join()
    const shares = joined.leader === this.#id ? await this.#deal(joined.members) : []
    const { group } = this.#options
    const request = { group, member: this.#id, generation: joined.generation, shares }
    const { error, share } = await this.#ask(
      (target) => this.#options.cluster.ask(SYNC_GROUP, request, target),
      REBALANCE_MS,
    )
    if (this.#isLost(error)) return
    for (const { topic, partitions } of share) {
      const name = this.#options.topics.nameOf(topic)
      for (const partition of partitions) if (name !== null) this.#own({ topic: name, partition })
    }
    this.#change.resolve()
    await this.#keepInTouch(joined.generation)
  }

  async #join(): Promise<Joined> {
    const { cluster, group, names, topics } = this.#options
    const request = {
      group,
      topics: names.map((name) => topics.wire(name)),
      sessionMs: SESSION_MS,
      rebalanceMs: REBALANCE_MS,
    }
    for (;;) {
      const member = this.#id
      const joined = await this.#ask(
        (target) => cluster.ask(JOIN_GROUP, { ...request, member }, target),
        REBALANCE_MS,
      )
      if (joined.error === CODES.NONE) {
        this.#id = joined.member
        return joined
      }
      // The first time the broker gives a name and wants to be asked with it.
      if (joined.error === CODES.MEMBER_ID_REQUIRED) this.#id = joined.member
      else if (joined.error === CODES.UNKNOWN_MEMBER_ID) this.#id = ''
      else throw refusal(joined.error, `group ${group}`)
    }
  }

  /** Resolves when the group deals anew, or this member is none any more. */
  async #keepInTouch(generation: number): Promise<void> {
    const { cluster, group, runtime } = this.#options
    let heardAt = runtime.mono()
    for (;;) {
      await runtime.sleep(HEARTBEAT_MS, this.#signal)
      const leftMs = () => SESSION_MS - Number((runtime.mono() - heardAt) / 1_000_000n)
      try {
        const request = { group, member: this.#id, generation }
        const { error } = await this.#ask(
          (target) => cluster.ask(HEARTBEAT, request, { ...target, timeoutMs: Math.max(1, leftMs()) }),
          0,
        )
        if (this.#isLost(error)) return
        heardAt = runtime.mono()
      } catch (error) {
        // The broker has given the partitions to others by now.
        if (!(error instanceof KafkaFault) || error.kind === 'login' || leftMs() <= 0) throw error
      }
    }
  }

  /** A member that must join again; throws where it cannot. */
  #isLost(error: number): boolean {
    if (error === CODES.NONE) return false
    if (error === CODES.UNKNOWN_MEMBER_ID) this.#id = ''
    const isLost = error === CODES.UNKNOWN_MEMBER_ID || error === CODES.ILLEGAL_GENERATION
    if (isLost || error === CODES.REBALANCE_IN_PROGRESS) return true
    throw refusal(error, `group ${this.#options.group}`)
  }

  /** Asks the coordinator, and another one where it is one no more. `waitMs`: how long it may hold the answer back. */
  async #ask<Answer extends Readonly<{ error: number }>>(
    ask: (target: Target) => Promise<Answer>,
    waitMs: number,
  ): Promise<Answer> {
    const { cluster, group } = this.#options
    const answered = cluster.decided(
      'group',
      group,
      (node) => ask({ node, use: this.#use, timeoutMs: waitMs + REQUEST_MS }),
      ({ error }) => error,
      SESSION_MS,
      this.#signal,
    )
    return await untilAborted(answered, this.#signal)
  }

  /** One partition after the other, each to the next member that wants its topic. */
  async #deal(members: readonly GroupMember[]): Promise<readonly GroupShare[]> {
    const { topics } = this.#options
    const sorted = members.toSorted((a, b) => (a.member < b.member ? -1 : 1))
    const shares = new Map(sorted.map(({ member }) => [member, new Map<string, number[]>()]))
    let turn = 0
    for (const topic of [...new Set(sorted.flatMap((member) => member.topics))].sort()) {
      const known = await topics.find(topics.nameOf(topic) ?? topic)
      const able = sorted.filter((member) => member.topics.includes(topic))
      for (let partition = 0; partition < (known?.leaders.length ?? 0); partition += 1) {
        const share = shares.get(able[turn % able.length]?.member ?? '')
        share?.set(topic, [...(share.get(topic) ?? []), partition])
        turn += 1
      }
    }
    return [...shares].map(([member, share]) => ({
      member,
      share: [...share].map(([topic, partitions]) => ({ topic, partitions })),
    }))
  }

  #own(at: TopicPartition): void {
    const { following, group, reading } = this.#options
    const owner = new AbortController()
    this.#owners.push(owner)
    this.#arrived.push({
      ...at,
      signal: owner.signal,
      position: () => reading.position(group, at, owner.signal),
      read: (from) => following.follow(at, from, owner.signal),
    })
  }

  #revoke(why: string): void {
    for (const owner of this.#owners) {
      owner.abort(new DOMException(`The partition was taken from this member because ${why}.`, 'AbortError'))
    }
    this.#owners = []
    this.#arrived = []
  }

  async #recover(error: unknown): Promise<void> {
    if (this.#signal.aborted) return
    const known = asLogError(error)
    if (!(known instanceof LogError) || known.remedy !== 'retry') {
      this.failure = known
      return
    }
    this.#options.cluster.moved('group', this.#options.group)
    await this.#options.runtime.sleep(PAUSE_MS, this.#signal).catch(() => undefined)
  }

  /** Tells the broker, so that others need not wait for the session to run out. */
  async #leave(): Promise<void> {
    const { cluster, group } = this.#options
    if (this.#id === '' || cluster.closed.aborted) return
    try {
      const node = await cluster.coordinator('group', group, cluster.closed)
      // Not where an unanswered join may be waiting.
      await cluster.ask(LEAVE_GROUP, { group, member: this.#id }, { node, use: 'write', timeoutMs: LEAVE_MS })
    } catch {
      // The session runs out.
    }
  }
}

/** Throws LOG_TOPIC_UNKNOWN where one of the topics is not there. */
export async function assertTopics(topics: Topics, names: readonly string[]): Promise<void> {
  for (const name of names) {
    if ((await topics.find(name)) === null) throw new LogError('LOG_TOPIC_UNKNOWN', topicUnknown(name))
  }
}
