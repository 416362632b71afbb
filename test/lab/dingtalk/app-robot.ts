import { deliver, mint, type State } from './state.ts'
import { json, readObject, type WireAnswer, type WireRequest } from './wire.ts'

/** `POST /v1.0/oauth2/accessToken`: the same token until it ends, and asking renews it. */
export function accessToken(state: State, request: WireRequest, now: number): WireAnswer {
  const { appKey, appSecret } = readObject(request.body) ?? {}
  const app = state.company.apps.find(
    ({ clientId, clientSecret }) => clientId === appKey && clientSecret === appSecret,
  )
  if (app === undefined)
    return failure(state, 400, 'invalidClientIdOrSecret', '无效的clientId或者clientSecret')
  return json(200, { accessToken: issue(state, app.clientId, now), expireIn: TOKEN_S })
}

/** `GET /gettoken`: the same token in the words of the old API. */
export function getToken(state: State, request: WireRequest, now: number): WireAnswer {
  const [key, secret] = [request.query.get('appkey'), request.query.get('appsecret')]
  if (key === null || secret === null)
    return json(200, { errcode: 40035, errmsg: '缺少参数 corpid or appkey' })
  const app = state.company.apps.find(
    ({ clientId, clientSecret }) => clientId === key && clientSecret === secret,
  )
  if (app === undefined) return json(200, { errcode: 40096, errmsg: '不合法的appKey或appSecret' })
  return json(200, {
    errcode: 0,
    errmsg: 'ok',
    access_token: issue(state, app.clientId, now),
    expires_in: TOKEN_S,
  })
}

/** The robot calls behind the auth filter and the limit of calls a second; null when the path is none of them. */
export function appRobot(state: State, request: WireRequest, now: number): WireAnswer | null {
  const call = CALLS[request.path]
  if (call === undefined || request.method !== 'POST') return null
  const token = request.headers['x-acs-dingtalk-access-token']
  if (token === undefined || token === '') {
    return failure(
      state,
      400,
      'AuthenticationFailed.MissingParameter',
      '缺少参数：x-acs-dingtalk-access-token',
    )
  }
  const clientId = [...state.tokens].find(([, held]) => held.token === token && now < held.until)?.[0]
  const app = state.company.apps.find((candidate) => candidate.clientId === clientId)
  if (app === undefined) return failure(state, 400, 'InvalidAuthentication', '不合法的access_token')
  if (isTooFast(state, `${app.clientId} ${request.path}`, now)) return tooFast(state)
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    return failure(state, 400, 'Missingbody', 'body is mandatory for this action.')
  }
  const body = readObject(request.body)
  if (body === null) return failure(state, 400, 'Missingbody', 'body is mandatory for this action.')
  if (body['robotCode'] === undefined || body['robotCode'] === '') {
    return failure(state, 400, 'invalidParameter.robotCode.empty', 'robotCode不能为空')
  }
  if (body['robotCode'] !== app.robotCode) {
    return failure(state, 400, 'invalidParameter.robotCode.notExsit', 'robot 不存在')
  }
  const content = contentOf(body)
  if ('fault' in content) return failure(state, 400, content.fault, '参数错误')
  return call(state, { body, content, from: app.name, raw: request.body, now })
}

/** What the gateway in front answers when an app calls an API more than 20 times within a second. */
export function tooFast(state: State): WireAnswer {
  return failure(
    state,
    403,
    'Forbidden.AccessDenied.QpsLimitForAppkeyAndApi',
    '应用调用该接口的QPS超过限制，请稍后重试',
  )
}

export function failure(state: State, status: number, code: string, message: string): WireAnswer {
  return json(status, { code, message, requestid: mint(state, 'REQ-') })
}

const TOKEN_S = 7_200
const CALLS_PER_SECOND_MAX = 20
const USERS_MAX = 20
const MSG_PARAM_BYTES_MAX = 15_000

type Content = Readonly<{ title: string; text: string }>

type AppCall = Readonly<{
  body: Readonly<Record<string, unknown>>
  content: Content
  from: string
  raw: string
  now: number
}>

const CALLS: Readonly<Record<string, (state: State, call: AppCall) => WireAnswer>> = {
  '/v1.0/robot/oToMessages/batchSend': sendToUsers,
  '/v1.0/robot/groupMessages/send': sendToGroup,
}

function issue(state: State, clientId: string, now: number): string {
  const held = state.tokens.get(clientId)
  const token = held !== undefined && now < held.until ? held.token : mint(state, 'token-')
  state.tokens.set(clientId, { token, until: now + TOKEN_S * 1_000 })
  return token
}

function isTooFast(state: State, key: string, now: number): boolean {
  const lately = (state.calls.get(key) ?? []).filter((at) => now - at < 1_000)
  const isOver = lately.length >= CALLS_PER_SECOND_MAX
  if (!isOver) lately.push(now)
  state.calls.set(key, lately)
  return isOver
}

/** `msgParam` is JSON inside a string; an object is refused. */
function contentOf(body: Readonly<Record<string, unknown>>): Content | Readonly<{ fault: string }> {
  const { msgKey, msgParam } = body
  if (msgKey === undefined || msgKey === '') return { fault: 'invalidParameter.msgKey.empty' }
  if (msgKey !== 'sampleText' && msgKey !== 'sampleMarkdown')
    return { fault: 'invalidParameter.msgKey.invalid' }
  if (typeof msgParam !== 'string') return { fault: 'invalidParameter.msgParam.invalid' }
  const { title, text, content } = readObject(msgParam) ?? {}
  const shown = msgKey === 'sampleText' ? content : text
  if (typeof shown !== 'string' || shown === '') return { fault: 'invalidParameter.msgParam.invalid' }
  if (Buffer.byteLength(msgParam) > MSG_PARAM_BYTES_MAX) return { fault: 'invalidParameter.msgParam.tooLong' }
  return { title: typeof title === 'string' ? title : shown, text: shown }
}

function sendToUsers(state: State, { body, content, from, raw, now }: AppCall): WireAnswer {
  const { userIds } = body
  if (!Array.isArray(userIds) || userIds.length === 0) {
    return failure(state, 400, 'invalidParameter.userIds.empty', 'userIds不能为空')
  }
  if (userIds.length > USERS_MAX)
    return failure(state, 400, 'invalidParameter.userIds.overMax', 'userIds超过最大数量')
  const names = userIds.map(String)
  const invalid = names.filter((id) => !state.company.users.some(({ userId }) => userId === id))
  const held = names.filter((id) => !invalid.includes(id) && state.flowControlled.has(id))
  const processQueryKey = mint(state, 'process-')
  for (const id of names) {
    if (invalid.includes(id) || held.includes(id)) continue
    deliver(state, { at: now, chat: `user:${id}`, from, ...content, raw, msgUuid: null, processQueryKey })
  }
  return json(200, { processQueryKey, invalidStaffIdList: invalid, flowControlledStaffIdList: held })
}

function sendToGroup(state: State, { body, content, from, raw, now }: AppCall): WireAnswer {
  const { openConversationId } = body
  if (openConversationId === undefined || openConversationId === '') {
    return failure(state, 400, 'miss.openConversationId', '缺少openConversationId')
  }
  const group = state.company.groups.find(({ conversation }) => conversation === openConversationId)
  if (group === undefined)
    return failure(state, 400, 'invalid.openConversationId', '无效的openConversationId')
  const processQueryKey = mint(state, 'process-')
  const chat = `group:${group.conversation}`
  deliver(state, { at: now, chat, from, ...content, raw, msgUuid: null, processQueryKey })
  return json(200, { processQueryKey })
}
