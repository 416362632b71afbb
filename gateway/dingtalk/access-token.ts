import type { Http } from '../ports.ts'
import { createRedactor } from '../redactor.ts'
import type { Runtime } from '../runtime.ts'
import { readNew, type Verdict } from './answers.ts'
import { post, type Silence } from './exchange.ts'

/** The app's access token. One request at a time, however many ask; kept until five minutes before it ends. */
export type AccessTokens = Readonly<{
  get(deadline: bigint, signal: AbortSignal): Promise<Readonly<{ kind: 'ok'; token: string }> | NoToken>
  /** DingTalk no longer accepts this one. */
  drop(token: string): void
  /** The text without the token in use and the one before it; older ones end, and are not kept for ever. */
  redact(text: string): string
}>

/** Why there is no token: nothing of the call that needed it was sent. */
export type NoToken = Exclude<Verdict, { kind: 'ok' }> | Silence

export function createAccessTokens(
  options: Readonly<{
    api: string
    clientId: string
    clientSecret: string
    http: Http
    runtime: Pick<Runtime, 'mono'>
  }>,
): AccessTokens {
  let held: Readonly<{ token: string; until: bigint }> | null = null
  let last: string | null = null
  let hiding = createRedactor()
  let asking: ReturnType<AccessTokens['get']> | null = null
  const ask: AccessTokens['get'] = async (deadline, signal) => {
    const { api, clientId, clientSecret, http, runtime } = options
    const url = `${api}/v1.0/oauth2/accessToken`
    const asked = runtime.mono()
    const body = { appKey: clientId, appSecret: clientSecret }
    const answer = await post({ http, runtime, url, headers: {}, body, deadline }, signal)
    if (answer.kind !== 'answered') return answer
    const verdict = readNew(answer.status, answer.body)
    if (verdict.kind !== 'ok') return verdict
    const { accessToken, expireIn } = verdict.body
    if (typeof accessToken !== 'string' || typeof expireIn !== 'number') {
      return { kind: 'unclear', reason: 'The answer to the request for an access token holds none' }
    }
    hiding = createRedactor(last === null ? [accessToken] : [accessToken, last])
    last = accessToken
    held = {
      token: accessToken,
      until: asked + BigInt(Math.floor((expireIn - MARGIN_S) * 1_000)) * 1_000_000n,
    }
    return { kind: 'ok', token: accessToken }
  }
  return {
    async get(deadline, signal) {
      if (held !== null && options.runtime.mono() < held.until) return { kind: 'ok', token: held.token }
      asking ??= ask(deadline, signal).finally(() => {
        asking = null
      })
      return asking
    },
    drop(token) {
      if (held?.token === token) held = null
    },
    redact: (text) => hiding.redact(text),
  }
}

/** A token is renewed by asking for it; five minutes are the margin of DingTalk's own Python SDK. */
const MARGIN_S = 300
