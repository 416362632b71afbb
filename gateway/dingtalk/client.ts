import { createHmac } from 'node:crypto'
import type { Http } from '../ports.ts'
import type { Redactor } from '../redactor.ts'
import type { Runtime } from '../runtime.ts'
import { sanitise } from '../sanitise.ts'
import { type AccessTokens, createAccessTokens } from './access-token.ts'
import { type Body, readNew, readOld, type Verdict } from './answers.ts'
import { post, type Silence } from './exchange.ts'
import { cutToFit } from './markdown.ts'
import type { Message } from './messages.ts'

/** How a call ended. `unreachable`: nothing was sent. `unclear` and `transient` may have been carried out. */
export type Sent = Readonly<
  | { kind: 'sent'; reference: string | null; left: ReadonlyMap<string, 'invalid' | 'flow-controlled'> }
  | { kind: 'unreachable'; reason: string }
  | Exclude<Verdict, { kind: 'ok' | 'token' }>
>

/**
 * A thin client of the robot APIs. One call is one attempt: it renews an access token that is not accepted and tries
 * once more, and repeats nothing else. `deadline` is in ns of `mono`. No answer ever shows a credential.
 */
export type DingTalkClient = Readonly<{
  /** To at most 20 users. `left` names those who get nothing although the call succeeded. */
  sendToUsers(
    userIds: readonly string[],
    message: Message,
    deadline: bigint,
    signal: AbortSignal,
  ): Promise<Sent>
  sendToGroup(
    openConversationId: string,
    message: Message,
    deadline: bigint,
    signal: AbortSignal,
  ): Promise<Sent>
  /** `msgUuid`: DingTalk sends the same one only once. */
  sendToWebhook(
    webhook: Readonly<{ token: string; secret: string | null }>,
    msgUuid: string,
    message: Message,
    deadline: bigint,
    signal: AbortSignal,
  ): Promise<Sent>
}>

/** The app's credentials, resolved. */
export type App = Readonly<{ clientId: string; clientSecret: string; robotCode: string }>

export const USERS_PER_CALL_MAX = 20

export function createDingTalkClient(
  options: Readonly<{
    api: string
    oapi: string
    app: App | null
    http: Http
    runtime: Pick<Runtime, 'mono' | 'wall'>
    redactor: Redactor
  }>,
): DingTalkClient {
  const { api, oapi, app, http, runtime, redactor } = options
  const tokens = app === null ? null : createAccessTokens({ api, ...app, http, runtime })
  const hide = (text: string) => redactor.redact(tokens === null ? text : tokens.redact(text))
  const told = async (call: Promise<Sent>) => withPlainReason(await call, hide)
  const appCall = (path: string, body: (robotCode: string) => Body, deadline: bigint, signal: AbortSignal) =>
    app === null || tokens === null
      ? Promise.resolve<Sent>({
          kind: 'refused',
          code: 'NO_APP',
          reason: 'dingtalk.app is not configured, or a secret that it refers to is not there',
        })
      : told(callApp({ http, runtime, tokens, url: api + path, body: body(app.robotCode), deadline }, signal))
  return {
    sendToUsers: (userIds, message, deadline, signal) =>
      appCall(
        '/v1.0/robot/oToMessages/batchSend',
        (robotCode) => ({ robotCode, userIds, ...asMarkdown(message) }),
        deadline,
        signal,
      ),
    sendToGroup: (openConversationId, message, deadline, signal) =>
      appCall(
        '/v1.0/robot/groupMessages/send',
        (robotCode) => ({ robotCode, openConversationId, ...asMarkdown(message) }),
        deadline,
        signal,
      ),
    sendToWebhook: (webhook, msgUuid, message, deadline, signal) =>
      told(
        callWebhook({ http, runtime, oapi, webhook, body: webhookBody(msgUuid, message), deadline }, signal),
      ),
  }
}

/**
 * What DingTalk, or whoever answers in its place, says of itself becomes part of a record: without what it was sent and
 * repeats, fit for one line, and not cut before, since half a secret is not known for one.
 */
function withPlainReason(sent: Sent, hide: (text: string) => string): Sent {
  if (sent.kind === 'sent') return sent
  const reason = sanitise(hide(sent.reason).slice(0, REASON_CHARACTERS_MAX))
  return sent.kind === 'refused' ? { ...sent, code: hide(sent.code), reason } : { ...sent, reason }
}

const REASON_CHARACTERS_MAX = 300

async function callWebhook(
  call: Readonly<{
    http: Http
    runtime: Pick<Runtime, 'mono' | 'wall'>
    oapi: string
    webhook: Parameters<DingTalkClient['sendToWebhook']>[0]
    body: Body
    deadline: bigint
  }>,
  signal: AbortSignal,
): Promise<Sent> {
  const { runtime, oapi, webhook } = call
  const query = new URLSearchParams({ access_token: webhook.token })
  if (webhook.secret !== null) {
    const timestamp = String(runtime.wall())
    query.set('timestamp', timestamp)
    query.set('sign', signWebhook(webhook.secret, timestamp))
  }
  const answer = await post({ ...call, url: `${oapi}/robot/send?${query}`, headers: {} }, signal)
  if (answer.kind !== 'answered') return silent(answer)
  const verdict = readOld(answer.status, answer.body)
  if (verdict.kind === 'ok') return { kind: 'sent', reference: null, left: new Map() }
  // A webhook carries its own token: there is none to renew.
  return verdict.kind === 'token' ? { kind: 'refused', code: 'TOKEN', reason: verdict.reason } : verdict
}

/** Base64; whoever puts it into a query encodes it once. */
export function signWebhook(secret: string, timestamp: string): string {
  return createHmac('sha256', secret).update(`${timestamp}\n${secret}`).digest('base64')
}

/** DingTalk counts the bytes of the JSON string that `msgParam` is. */
const MSG_PARAM_BYTES_MAX = 15_000
const WEBHOOK_BODY_BYTES_MAX = 20_000

function asMarkdown(message: Message): Body {
  const param = (text: string) => JSON.stringify({ title: message.title, text })
  const text = cutToFit(message.text, (cut) => Buffer.byteLength(param(cut)) <= MSG_PARAM_BYTES_MAX)
  return { msgKey: 'sampleMarkdown', msgParam: param(text) }
}

function webhookBody(msgUuid: string, message: Message): Body {
  const body = (text: string) => ({ msgtype: 'markdown', markdown: { title: message.title, text }, msgUuid })
  return body(
    cutToFit(message.text, (cut) => Buffer.byteLength(JSON.stringify(body(cut))) <= WEBHOOK_BODY_BYTES_MAX),
  )
}

async function callApp(
  call: Readonly<{
    http: Http
    runtime: Pick<Runtime, 'mono'>
    tokens: AccessTokens
    url: string
    body: Body
    deadline: bigint
  }>,
  signal: AbortSignal,
): Promise<Sent> {
  for (let isSecond = false; ; isSecond = true) {
    const access = await call.tokens.get(call.deadline, signal)
    if (access.kind !== 'ok') return withoutToken(access)
    const headers = { 'x-acs-dingtalk-access-token': access.token }
    const answer = await post({ ...call, headers }, signal)
    if (answer.kind !== 'answered') return silent(answer)
    const verdict = readNew(answer.status, answer.body)
    if (verdict.kind === 'ok') return taken(verdict.body)
    if (verdict.kind !== 'token') return verdict
    call.tokens.drop(access.token)
    if (isSecond)
      return {
        kind: 'refused',
        code: 'TOKEN',
        reason: `A new access token is refused too, ${verdict.reason}`,
      }
  }
}

/** Without a token nothing of the message was sent, so even silence is no unknown. */
function withoutToken(access: Exclude<Awaited<ReturnType<AccessTokens['get']>>, { kind: 'ok' }>): Sent {
  const reason = `No access token: ${access.reason}`
  switch (access.kind) {
    case 'throttled':
      return { ...access, reason }
    case 'refused':
      return { ...access, reason }
    case 'token':
      return { kind: 'refused', code: 'TOKEN', reason }
    case 'failed':
    case 'unknown':
    case 'transient':
    case 'unclear':
      return { kind: 'unreachable', reason }
  }
}

function silent(answer: Silence): Sent {
  return answer.kind === 'failed'
    ? { kind: 'unreachable', reason: answer.reason }
    : { kind: 'unclear', reason: answer.reason }
}

function taken(body: Body): Sent {
  const { processQueryKey, invalidStaffIdList, flowControlledStaffIdList } = body
  if (typeof processQueryKey !== 'string') {
    return { kind: 'unclear', reason: 'The answer says neither an error nor a processQueryKey' }
  }
  const left = new Map<string, 'invalid' | 'flow-controlled'>()
  for (const user of list(flowControlledStaffIdList)) left.set(user, 'flow-controlled')
  for (const user of list(invalidStaffIdList)) left.set(user, 'invalid')
  return { kind: 'sent', reference: processQueryKey, left }
}

function list(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
