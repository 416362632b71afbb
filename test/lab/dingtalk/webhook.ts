import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Company } from './company.ts'
import { deliver, type State } from './state.ts'
import { readObject, type WireRequest } from './wire.ts'

/** Answer of `/robot/send`: HTTP 200 whatever happens. */
export type OldAnswer = Readonly<{ errcode: number; errmsg: string }>

/** A custom robot of a group: `POST /robot/send?access_token=…&timestamp=…&sign=…`. */
export function sendByWebhook(state: State, request: WireRequest, now: number): OldAnswer {
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    return { errcode: 43004, errmsg: '无效的HTTP HEADER Content-Type' }
  }
  const body = readObject(request.body)
  if (body === null) return { errcode: 40035, errmsg: '缺少参数 json' }
  const place = robotOf(state.company, request.query.get('access_token'))
  if (place === null) return { errcode: 300005, errmsg: 'token is not exist' }
  const { robot, group } = place
  const fault = robot.secret === null ? null : signFault(robot.secret, request.query, now)
  if (fault !== null) return { errcode: 310000, errmsg: fault }
  if (Buffer.byteLength(request.body) > BODY_BYTES_MAX) {
    return { errcode: 460101, errmsg: 'message too long, exceed 20000 bytes' }
  }
  const content = contentOf(body)
  if (content === null) return { errcode: 400105, errmsg: '不支持的消息类型' }
  if (robot.keywords.length > 0 && !robot.keywords.some((word) => content.all.includes(word))) {
    return { errcode: 310000, errmsg: 'keywords not in content' }
  }
  if (isShut(state, robot.token, now)) {
    return { errcode: 660026, errmsg: 'sending too many messages per minute' }
  }
  const { msgUuid } = body
  const uuid = typeof msgUuid === 'string' ? msgUuid : null
  if (uuid !== null && state.msgUuids.has(`${robot.token} ${uuid}`)) return { errcode: 0, errmsg: 'ok' }
  if (uuid !== null) state.msgUuids.add(`${robot.token} ${uuid}`)
  deliver(state, {
    at: now,
    chat: `group:${group}`,
    from: robot.name,
    title: content.title,
    text: content.text,
    raw: request.body,
    msgUuid: uuid,
    processQueryKey: null,
  })
  return { errcode: 0, errmsg: 'ok' }
}

const BODY_BYTES_MAX = 20_000
const MESSAGES_PER_MINUTE_MAX = 20
const PENALTY_MS = 600_000
const SIGN_WINDOW_MS = 3_600_000

function robotOf(company: Company, token: string | null) {
  for (const group of company.groups) {
    const robot = group.robots.find((candidate) => candidate.token === token)
    if (robot !== undefined) return { robot, group: group.conversation }
  }
  return null
}

function signFault(secret: string, query: URLSearchParams, now: number): string | null {
  const timestamp = query.get('timestamp') ?? ''
  if (!/^\d{13}$/.test(timestamp) || Math.abs(now - Number(timestamp)) > SIGN_WINDOW_MS)
    return 'invalid timestamp'
  const wanted = createHmac('sha256', secret).update(`${timestamp}\n${secret}`).digest()
  const given = Buffer.from(query.get('sign') ?? '', 'base64')
  return given.length === wanted.length && timingSafeEqual(given, wanted) ? null : 'sign not match'
}

/** The 21st message within a minute shuts the robot for ten minutes, and each one that comes then shuts it anew. */
function isShut(state: State, token: string, now: number): boolean {
  const known = state.webhooks.get(token) ?? { sent: [], shutUntil: 0 }
  const sent = known.sent.filter((at) => now - at < 60_000)
  const isOver = now < known.shutUntil || sent.length >= MESSAGES_PER_MINUTE_MAX
  if (!isOver) sent.push(now)
  state.webhooks.set(token, {
    sent,
    shutUntil: isOver ? Math.max(known.shutUntil, now + PENALTY_MS) : known.shutUntil,
  })
  return isOver
}

function contentOf(
  body: Readonly<Record<string, unknown>>,
): { title: string; text: string; all: string } | null {
  const { msgtype } = body
  if (typeof msgtype !== 'string') return null
  const part = body[msgtype]
  if (typeof part !== 'object' || part === null) return null
  const { title = '', text, content } = part as Readonly<Record<string, unknown>>
  const shown = typeof text === 'string' ? text : content
  if (typeof title !== 'string' || typeof shown !== 'string') return null
  return { title, text: shown, all: `${title}\n${shown}` }
}
