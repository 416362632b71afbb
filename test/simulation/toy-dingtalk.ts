import type { Http, HttpAnswer, HttpRequest } from '../../gateway/ports.ts'
import type { Received } from '../kit/checkers/notices-once.ts'
import type { WebhookCall } from '../kit/checkers/webhook-pace.ts'
import type { Random } from '../kit/random.ts'
import type { SimulatedRuntime } from '../kit/simulated-runtime.ts'

/** How well the toy DingTalk behaves; changed while it runs. */
export type ChatMoods = {
  isDown: boolean
  /** Chance that a call is lost, its answer is, or it is refused for the moment. */
  troubleChance: number
}

/** Who is known to it, by the name that notices use. */
export type Contacts = Readonly<{
  users: Readonly<Record<string, string>>
  conversations: Readonly<Record<string, string>>
  webhooks: Readonly<Record<string, string>>
}>

export type ToyDingTalk = Readonly<{
  http: Http
  moods: ChatMoods
  /** What people were shown, in order. */
  received: readonly Received[]
  webhookCalls: readonly WebhookCall[]
}>

/** The robot APIs as far as the publisher speaks them, with the losses that a network adds. */
export function createToyDingTalk(simulated: SimulatedRuntime, contacts: Contacts): ToyDingTalk {
  const random = simulated.random.fork('dingtalk')
  const moods: ChatMoods = { isDown: false, troubleChance: 0 }
  const service = createService(simulated, contacts, random, moods)
  return {
    moods,
    received: service.received,
    webhookCalls: service.webhookCalls,
    http: { send: (request, signal) => exchange(simulated, random, moods, service.answer, request, signal) },
  }
}

type Answer = Extract<HttpAnswer, { kind: 'answered' }>

/** One exchange. What has left cannot be called back: the service answers even if nobody waits any more. */
function exchange(
  simulated: SimulatedRuntime,
  random: Random,
  moods: ChatMoods,
  answer: (request: HttpRequest) => Answer,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const there = 10 + random.below(100)
  const back = random.chance(moods.troubleChance / 4) ? request.timeoutMs : 10 + random.below(100)
  const fate = random.chance(moods.troubleChance) ? random.float() : 1
  return new Promise((resolve) => {
    if (signal.aborted) return resolve({ kind: 'failed', reason: 'It was called off before.' })
    signal.addEventListener('abort', () => resolve({ kind: 'unknown', reason: 'It was called off.' }), {
      once: true,
    })
    if (moods.isDown || fate < 0.2) {
      simulated.after(there, () => resolve({ kind: 'failed', reason: 'No connection.' }))
      return
    }
    simulated.after(request.timeoutMs, () => resolve({ kind: 'unknown', reason: 'No answer in time.' }))
    if (fate < 0.4) {
      simulated.after(there, () => resolve({ kind: 'unknown', reason: 'The connection was reset.' }))
      return
    }
    simulated.after(there, () => {
      const said = answer(request)
      if (fate < 0.6)
        simulated.after(back, () => resolve({ kind: 'unknown', reason: 'Reset after sending.' }))
      else simulated.after(back, () => resolve(said))
    })
  })
}

type Service = Pick<ToyDingTalk, 'received' | 'webhookCalls'> &
  Readonly<{ answer(request: HttpRequest): Answer }>

const TOKEN_MS = 7_200_000

function createService(
  simulated: SimulatedRuntime,
  contacts: Contacts,
  random: Random,
  moods: ChatMoods,
): Service {
  const received: Received[] = []
  const webhookCalls: WebhookCall[] = []
  const shownUuids = new Set<string>()
  const tokens = new Map<string, number>()
  const show = (destination: string | undefined, text: string) => {
    if (destination === undefined)
      throw new Error('The publisher wrote to somebody whom DingTalk does not know.')
    received.push({ destination, text, at: simulated.now() })
    simulated.trace(`dingtalk shows ${destination} ${JSON.stringify(text)}`)
  }
  const isAuthorised = (request: HttpRequest) => {
    const until = tokens.get(request.headers['x-acs-dingtalk-access-token'] ?? '') ?? 0
    return simulated.now() < until && !random.chance(moods.troubleChance / 20)
  }
  const robot = (request: HttpRequest, send: (body: Body) => object): Answer => {
    if (!isAuthorised(request)) return json(401, { code: 'InvalidAuthentication', message: 'token' })
    const passing = passingFault(random, moods)
    if (passing === 'busy') return json(400, { code: 'send.too.fast', message: 'too fast' })
    if (passing === 'error before') return json(500, { code: 'system.error', message: 'error' })
    const said = send(bodyOf(request))
    return passing === 'error after' ? json(500, { code: 'system.error', message: 'error' }) : json(200, said)
  }
  const routes: Readonly<Record<string, (request: HttpRequest, url: URL) => Answer>> = {
    '/v1.0/oauth2/accessToken': () => {
      const accessToken = `token-${tokens.size + 1}`
      tokens.set(accessToken, simulated.now() + TOKEN_MS)
      return json(200, { accessToken, expireIn: TOKEN_MS / 1_000 })
    },
    '/v1.0/robot/oToMessages/batchSend': (request) =>
      robot(request, (body) => {
        const users = body.userIds ?? []
        const controlled = users.filter(() => random.chance(moods.troubleChance / 10))
        for (const user of users) if (!controlled.includes(user)) show(contacts.users[user], markdownOf(body))
        const processQueryKey = `query-${received.length}`
        return { processQueryKey, invalidStaffIdList: [], flowControlledStaffIdList: controlled }
      }),
    '/v1.0/robot/groupMessages/send': (request) =>
      robot(request, (body) => {
        show(contacts.conversations[body.openConversationId ?? ''], markdownOf(body))
        return { processQueryKey: `query-${received.length}` }
      }),
    '/robot/send': (request, url) => {
      const token = url.searchParams.get('access_token') ?? ''
      webhookCalls.push({ webhook: token, at: simulated.now() })
      return webhook(request, passingFault(random, moods), (uuid, text) => {
        if (!shownUuids.has(uuid)) show(contacts.webhooks[token], text)
        shownUuids.add(uuid)
      })
    },
  }
  return {
    received,
    webhookCalls,
    answer(request) {
      const url = new URL(request.url)
      const route = routes[url.pathname]
      if (route === undefined) throw new Error(`The toy DingTalk has no ${url.pathname}.`)
      return route(request, url)
    },
  }
}

/** A group robot answers in the old form: HTTP 200 whatever happened, and `errcode` tells. */
function webhook(
  request: HttpRequest,
  passing: PassingFault | null,
  take: (uuid: string, text: string) => void,
): Answer {
  const busy = json(200, { errcode: -1, errmsg: 'busy' })
  if (passing === 'busy' || passing === 'error before') return busy
  const { msgUuid = '', markdown } = bodyOf(request)
  take(msgUuid, markdown?.text ?? '')
  return passing === 'error after' ? busy : json(200, { errcode: 0 })
}

type PassingFault = 'busy' | 'error before' | 'error after'

function passingFault(random: Random, moods: ChatMoods): PassingFault | null {
  if (!random.chance(moods.troubleChance / 3)) return null
  return random.pick(['busy', 'error before', 'error after'])
}

type Body = Readonly<{
  userIds?: readonly string[]
  openConversationId?: string
  msgParam?: string
  msgUuid?: string
  markdown?: Readonly<{ text: string }>
}>

function bodyOf(request: HttpRequest): Body {
  return JSON.parse(request.body ?? '{}') as Body
}

function markdownOf({ msgParam }: Body): string {
  return (JSON.parse(msgParam ?? '{}') as { text?: string }).text ?? ''
}

function json(status: number, body: object): Answer {
  return { kind: 'answered', status, headers: {}, body: JSON.stringify(body) }
}
