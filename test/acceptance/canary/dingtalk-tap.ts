import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request as it came over the wire. */
export type Tapped = Readonly<{ url: string; headers: string; body: string }>

/** What the tap answers instead of DingTalk; null hands the request on. */
export type Answer = (request: Tapped) => Readonly<{ status: number; body: string; type?: string }> | null

/** Stands between the gateway and a DingTalk: notes every request, and answers in its place when it is told to. */
export type DingTalkTap = Readonly<{
  origin: string
  requests: readonly Tapped[]
  /** How many were answered by what `answer` was set to last. */
  answered(): number
  answer(how: Answer): void
  close(): Promise<void>
}>

export async function tapDingTalk(origin: string): Promise<DingTalkTap> {
  const requests: Tapped[] = []
  let how: Answer = () => null
  let answered = 0
  const server = createServer(async (request, response) => {
    const body = await textOf(request)
    const tapped = { url: request.url ?? '', headers: JSON.stringify(request.headers), body }
    requests.push(tapped)
    const own = how(tapped)
    if (own !== null) {
      answered += 1
      response.writeHead(own.status, { 'content-type': own.type ?? 'application/json' }).end(own.body)
      return
    }
    const { 'content-type': type = '', 'x-acs-dingtalk-access-token': token } = request.headers
    const answer = await fetch(origin + tapped.url, {
      method: request.method ?? 'POST',
      headers: {
        'content-type': type,
        ...(typeof token === 'string' && { 'x-acs-dingtalk-access-token': token }),
      },
      body,
    })
    const text = await answer.text()
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' }).end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    requests,
    answered: () => answered,
    answer(next) {
      how = next
      answered = 0
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}
