import { message, passThrottle, readError } from './message.ts'
import type { TopicParts } from './messages-cluster.ts'
import { WireReader, WireWriter } from './wire.ts'

/** Requests of a group's members, and what they say to each other in Kafka's own words, so that its tools can show it. */

type OfMember = Readonly<{ group: string; member: string; generation: number }>

export type GroupMember = Readonly<{ member: string; topics: readonly string[] }>

const PROTOCOL_TYPE = 'consumer'
const PROTOCOL = 'erpgw'

export const JOIN_GROUP = message(
  ['JoinGroup', 11, 5],
  (
    to,
    request: Readonly<{
      group: string
      member: string
      topics: readonly string[]
      sessionMs: number
      rebalanceMs: number
    }>,
  ) => {
    to.string(request.group).int32(request.sessionMs).int32(request.rebalanceMs).string(request.member)
    to.string(null).string(PROTOCOL_TYPE)
    to.array([subscriptionOf(request.topics)], (bytes) => to.string(PROTOCOL).bytes(bytes))
  },
  (from) => {
    passThrottle(from)
    const head = { error: from.int16(), generation: from.int32() }
    from.string()
    const leader = from.string()
    const member = from.string()
    const members = from.array((): GroupMember => {
      const name = from.string()
      from.nullableString()
      return { member: name, topics: topicsOf(from.bytes()) }
    })
    return { ...head, leader, member, members }
  },
)

export type GroupShare = Readonly<{ member: string; share: readonly TopicParts[] }>

/** The leader brings every member's share, the others none; each gets its own. */
export const SYNC_GROUP = message(
  ['SyncGroup', 14, 3],
  (to, { group, member, generation, shares }: OfMember & Readonly<{ shares: readonly GroupShare[] }>) => {
    to.string(group).int32(generation).string(member).string(null)
    to.array(shares, (one) => to.string(one.member).bytes(encodeShare(one.share)))
  },
  (from) => {
    passThrottle(from)
    const error = from.int16()
    const bytes = from.bytes()
    return { error, share: bytes.length === 0 ? [] : decodeShare(bytes) }
  },
)

export const HEARTBEAT = message(
  ['Heartbeat', 12, 3],
  (to, { group, member, generation }: OfMember) => {
    to.string(group).int32(generation).string(member).string(null)
  },
  readError,
)

export const LEAVE_GROUP = message(
  ['LeaveGroup', 13, 2],
  (to, { group, member }: Readonly<{ group: string; member: string }>) => {
    to.string(group).string(member)
  },
  readError,
)

/** ConsumerProtocolSubscription, version 0. */
function subscriptionOf(topics: readonly string[]): Buffer {
  const to = new WireWriter().int16(0)
  return to
    .array(topics, (topic) => to.string(topic))
    .int32(-1)
    .written()
}

function topicsOf(subscription: Buffer): readonly string[] {
  const from = new WireReader(subscription)
  from.int16()
  return from.array(() => from.string())
}

/** ConsumerProtocolAssignment, version 0. */
function encodeShare(share: readonly TopicParts[]): Buffer {
  const to = new WireWriter().int16(0)
  to.array(share, ({ topic, partitions }) => {
    to.string(topic)
    to.array(partitions, (partition) => to.int32(partition))
  })
  return to.int32(-1).written()
}

function decodeShare(bytes: Buffer): readonly TopicParts[] {
  const from = new WireReader(bytes)
  from.int16()
  return from.array(() => ({ topic: from.string(), partitions: from.array(() => from.int32()) }))
}
