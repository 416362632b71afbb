import { accessToken, appRobot, failure, getToken, tooFast } from './app-robot.ts'
import { type Fault, takeFault } from './faults.ts'
import type { State } from './state.ts'
import { sendByWebhook } from './webhook.ts'
import { json, type WireAnswer, type WireRequest } from './wire.ts'

/** What becomes of a request. `reset`: the connection breaks without an answer. */
export type Exchange = Readonly<{ kind: 'answer'; answer: WireAnswer; delayMs: number } | { kind: 'reset' }>

/**
 * DingTalk without its wire: a function from request to answer over a state, so that a server on a port and a
 * simulation in virtual time run the very same service. Both hosts share it; none of their paths collide.
 */
export function exchange(state: State, request: WireRequest, now: number): Exchange {
  state.requests.set(request.path, (state.requests.get(request.path) ?? 0) + 1)
  const fault = takeFault(state.faults, request.path)
  if (fault === null) return answered(serve(state, request, now))
  return withFault(fault, state, request, now)
}

function serve(state: State, request: WireRequest, now: number): WireAnswer {
  const { method, path } = request
  if (method === 'POST' && path === '/v1.0/oauth2/accessToken') return accessToken(state, request, now)
  if (method === 'GET' && path === '/gettoken') return getToken(state, request, now)
  if (method === 'POST' && path === '/robot/send') return json(200, sendByWebhook(state, request, now))
  return appRobot(state, request, now) ?? unknownPath(state, path)
}

/** The body of an unknown v1.0 path is not established; gateways of the same make elsewhere say this. */
function unknownPath(state: State, path: string): WireAnswer {
  if (path.startsWith('/v1.0/'))
    return failure(state, 404, 'InvalidAction.NotFound', 'Specified api is not found.')
  if (path.startsWith('/topapi/')) {
    const errmsg = 'Invalid method[submsg=不合法ApiName]'
    return json(200, { errcode: 22, errmsg, sub_msg: '不合法ApiName' })
  }
  return json(200, { errcode: 404, errmsg: '请求的URI地址不存在' })
}

function withFault(fault: Fault, state: State, request: WireRequest, now: number): Exchange {
  switch (fault.kind) {
    case 'reset-before':
      return { kind: 'reset' }
    case 'reset-after':
      serve(state, request, now)
      return { kind: 'reset' }
    case 'slow':
      return { kind: 'answer', answer: serve(state, request, now), delayMs: fault.delayMs }
    case 'truncated': {
      const answer = serve(state, request, now)
      return answered({ ...answer, body: answer.body.slice(0, answer.body.length >> 1) })
    }
    case 'html':
      return answered({ status: 200, contentType: 'text/html;charset=utf-8', body: BARRED_PAGE })
    case 'barred':
      return answered(json(200, { status: 1111, wait: 5, source: 'x5', punish: 'deny', uuid: 'emulated' }))
    case '500':
      return answered({ status: 500, contentType: 'text/plain', body: '' })
    case '503':
      return answered(
        failure(state, 503, 'ServiceUnavailable', 'The request has failed due to a temporary failure.'),
      )
    case 'throttle':
      return answered(
        request.path === '/robot/send'
          ? json(200, { errcode: 130101, errmsg: 'send too fast, exceed 20 times per minute' })
          : tooFast(state),
      )
    case 'token':
      state.tokens.clear()
      return answered(serve(state, request, now))
  }
}

const BARRED_PAGE =
  '<!doctype html><html><head><title>405</title></head><body>很抱歉，由于您访问的URL有可能对网站造成安全威胁，您的访问被阻断。</body></html>'

function answered(answer: WireAnswer): Exchange {
  return { kind: 'answer', answer, delayMs: 0 }
}
