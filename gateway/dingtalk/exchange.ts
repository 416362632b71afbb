import type { Http, HttpAnswer } from '../ports.ts'
import type { Runtime } from '../runtime.ts'

/** No answer, and whether the request may have been taken (`unknown`) or not (`failed`). */
export type Silence = Exclude<HttpAnswer, { kind: 'answered' }>

/** One JSON request that must have ended by `deadline` (ns of `mono`). Too late is `failed`: nothing was sent. */
export async function post(
  request: Readonly<{
    http: Http
    runtime: Pick<Runtime, 'mono'>
    url: string
    headers: Readonly<Record<string, string>>
    body: unknown
    deadline: bigint
  }>,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const timeoutMs = Number((request.deadline - request.runtime.mono()) / 1_000_000n)
  if (timeoutMs <= 0) return { kind: 'failed', reason: 'No time was left to send it' }
  return request.http.send(
    {
      method: 'POST',
      url: request.url,
      headers: { 'content-type': 'application/json; charset=utf-8', ...request.headers },
      body: JSON.stringify(request.body),
      timeoutMs,
      responseBytesMax: RESPONSE_BYTES_MAX,
    },
    signal,
  )
}

/** Answers of the robot APIs are some hundred bytes; a page of an address bar is some kB. */
const RESPONSE_BYTES_MAX = 262_144
