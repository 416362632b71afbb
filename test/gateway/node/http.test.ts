import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { createHttp } from '../../../gateway/node/http.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import type { HttpRequest, Names } from '../../../gateway/ports.ts'

const CERT = `-----BEGIN CERTIFICATE-----
MIIBoTCCAUegAwIBAgIUCgzsXfLlNq71ue0ltcljHizZN/QwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNZGluZ3RhbGsudGVzdDAgFw0yNjExMjQwNDQ4NTdaGA8yMTI2
MTAzMTA0NDg1N1owGDEWMBQGA1UEAwwNZGluZ3RhbGsudGVzdDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABAeeJq11PGPF851RaLFCbB0jEmMLO3uFEgT4pDcCVBuR
Vk5v8vll1I3EkJ7HCRPUHqye7fHaFffGsdWngFd6guijbTBrMB0GA1UdDgQWBBQ5
nqJc6PXqJ7f/0nDi4kKWlpb8RDAfBgNVHSMEGDAWgBQ5nqJc6PXqJ7f/0nDi4kKW
lpb8RDAPBgNVHRMBAf8EBTADAQH/MBgGA1UdEQQRMA+CDWRpbmd0YWxrLnRlc3Qw
CgYIKoZIzj0EAwIDSAAwRQIhAKO8j+7thwuGmYzcNZk2HtadTQZtzXVuqVmCjCEf
4kw7AiBejlo4fTokuwhAiQMPScl5zLm/lqL3GgtbtTX5Lz2ojA==
-----END CERTIFICATE-----`

// The key of that certificate, which nobody trusts but these tests.
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgi55fk4JYDVhxuyyB
5Onhb6dJuWpAMjUAUzR4frLWCm2hRANCAAQHniatdTxjxfOdUWixQmwdIxJjCzt7
hRIE+KQ3AlQbkVZOb/L5ZdSNxJCexwkT1B6snu3x2hX3xrHVp4BXeoLo
-----END PRIVATE KEY-----`

const runtime = createRuntime()
const closing: (() => Promise<unknown>)[] = []
const { signal } = new AbortController()

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

function namesOf(hosts: Readonly<Record<string, string>>): Names & { asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    async resolve(host) {
      asked.push(host)
      return hosts[host] ?? null
    },
  }
}

const LOOPBACK = namesOf({ 'dingtalk.test': '127.0.0.1', '127.0.0.1': '127.0.0.1' })

type Handle = (request: IncomingMessage, response: ServerResponse) => void

async function listen(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        if ('closeAllConnections' in server) server.closeAllConnections()
      }),
  )
  return (server.address() as AddressInfo).port
}

function post(url: string, rest: Partial<HttpRequest> = {}): HttpRequest {
  return { method: 'POST', url, headers: {}, body: '{}', timeoutMs: 5_000, responseBytesMax: 1_000, ...rest }
}

async function serve(handle: Handle): Promise<string> {
  return `http://dingtalk.test:${await listen(createServer(handle))}/path?q=%2B`
}

const http = createHttp({ names: LOOPBACK, runtime })

describe('an exchange', () => {
  test('carries method, path, headers and body, and brings back what was said', async () => {
    let seen: unknown = null
    const url = await serve((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (part: string) => {
        body += part
      })
      request.on('end', () => {
        const { method, url: path, headers } = request
        seen = { method, path, host: headers.host, type: headers['content-type'], body }
        response.writeHead(403, { 'x-acs-request-id': 'R1' }).end('{"code":"螺栓"}')
      })
    })
    const answer = await http.send(
      post(url, { body: '{"a":"螺栓"}', headers: { 'content-type': 'application/json' } }),
      signal,
    )
    expect(answer).toMatchObject({ kind: 'answered', status: 403, body: '{"code":"螺栓"}' })
    expect(answer.kind === 'answered' && answer.headers['x-acs-request-id']).toBe('R1')
    expect(seen).toEqual({
      method: 'POST',
      path: '/path?q=%2B',
      host: new URL(url).host,
      type: 'application/json',
      body: '{"a":"螺栓"}',
    })
  })

  test('follows no redirect', async () => {
    let hits = 0
    const url = await serve((_request, response) => {
      hits += 1
      response.writeHead(302, { location: '/evil-internal' }).end()
    })
    expect(await http.send(post(url), signal)).toMatchObject({ kind: 'answered', status: 302 })
    expect(hits).toBe(1)
  })

  test('reads the characters that the answer says it is in, and refuses to guess', async () => {
    const bodies: readonly (readonly [string, Buffer])[] = [
      ['text/plain; charset=gb18030', Buffer.from('c2ddcba8', 'hex')],
      ['application/json', Buffer.from('c2ddcba8', 'hex')],
      ['application/json; charset=nonsense', Buffer.from('ok')],
      ['text/html', Buffer.from('3c623ec2dd', 'hex')],
    ]
    let next = 0
    const url = await serve((_request, response) => {
      const [type, body] = bodies[next++] ?? ['', Buffer.alloc(0)]
      response.writeHead(200, { 'content-type': type }).end(body)
    })
    expect(await http.send(post(url), signal)).toMatchObject({ kind: 'answered', body: '螺栓' })
    expect(await http.send(post(url), signal)).toMatchObject({ kind: 'unknown' })
    expect(await http.send(post(url), signal)).toMatchObject({ kind: 'unknown' })
    // A page is for people: it is never read for values, so it may be shown with holes.
    expect(await http.send(post(url), signal)).toMatchObject({ kind: 'answered' })
  })
})

describe('nothing was sent, and so it failed, when', () => {
  test('nobody listens', async () => {
    const port = await listen(createServer(() => undefined))
    await Promise.all(closing.splice(0).map((close) => close()))
    const answer = await http.send(
      post(`http://dingtalk.test:${port}/robot/send?access_token=SECRET`),
      signal,
    )
    expect(answer).toEqual({ kind: 'failed', reason: expect.stringContaining('ECONNREFUSED') })
    expect(JSON.stringify(answer)).not.toContain('SECRET')
  })

  test('the egress list does not hold the host', async () => {
    let hits = 0
    const url = await serve(() => {
      hits += 1
    })
    const answer = await http.send(post(url.replace('dingtalk.test', 'evil.test')), signal)
    expect(answer).toMatchObject({ kind: 'failed', reason: expect.stringContaining('evil.test') })
    const disguised = createHttp({ names: namesOf({ '127.0.0.1': '10.0.0.1' }), runtime })
    expect(await disguised.send(post(url.replace('dingtalk.test', '127.0.0.1')), signal)).toMatchObject({
      kind: 'failed',
    })
    expect(hits).toBe(0)
  })

  test('the name is not resolved in time', async () => {
    const names: Names = {
      resolve: (_host, until) =>
        new Promise((_resolve, reject) => until.addEventListener('abort', () => reject(until.reason))),
    }
    const answer = await createHttp({ names, runtime }).send(
      post('http://slow.test/', { timeoutMs: 30 }),
      signal,
    )
    expect(answer).toEqual({ kind: 'failed', reason: 'No answer in time' })
  })

  test.each([
    'ftp://dingtalk.test/',
    'file:///etc/passwd',
    'http://user:password@dingtalk.test/',
    'nonsense',
  ])('the address is %s', async (url) => {
    const answer = await http.send(post(url), signal)
    expect(answer.kind).toBe('failed')
    expect(JSON.stringify(answer)).not.toContain('password@')
  })

  test('the request sets a header that belongs to the connection', async () => {
    expect(
      await http.send(post('http://dingtalk.test/', { headers: { Host: 'evil.test' } }), signal),
    ).toMatchObject({
      kind: 'failed',
    })
  })
})

describe('it is unknown what became of it when', () => {
  test('the connection breaks before an answer', async () => {
    const url = await serve((request) => request.socket.destroy())
    expect(await http.send(post(url), signal)).toMatchObject({ kind: 'unknown' })
  })

  test('the answer breaks off', async () => {
    const url = await serve((request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{"a":')
      setImmediate(() => request.socket.destroy())
    })
    expect(await http.send(post(url), signal)).toMatchObject({ kind: 'unknown' })
  })

  test('there is no answer in time, or it trickles in for ever', async () => {
    const silent = await serve(() => undefined)
    expect(await http.send(post(silent, { timeoutMs: 60 }), signal)).toEqual({
      kind: 'unknown',
      reason: 'No answer in time',
    })
    const trickle = await serve((_request, response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write('x'), 5)
      response.on('close', () => clearInterval(timer))
    })
    expect(await http.send(post(trickle, { timeoutMs: 80, responseBytesMax: 1_000_000 }), signal)).toEqual({
      kind: 'unknown',
      reason: 'No answer in time',
    })
  })

  test('the gateway stops meanwhile', async () => {
    const stop = new AbortController()
    const url = await serve(() => stop.abort())
    expect(await http.send(post(url), stop.signal)).toEqual({
      kind: 'unknown',
      reason: 'The gateway is stopping',
    })
  })

  test('the answer is larger than allowed, or packed', async () => {
    const large = await serve((_request, response) => response.end('x'.repeat(1_001)))
    expect(await http.send(post(large), signal)).toEqual({
      kind: 'unknown',
      reason: 'The answer is larger than 1000 bytes',
    })
    const packed = await serve((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
    )
    expect(await http.send(post(packed), signal)).toMatchObject({ kind: 'unknown' })
  })

  test('something answers that speaks no HTTP', async () => {
    const port = await listen(createTcpServer((socket) => socket.resume().end('SSH-2.0-OpenSSH\r\n')))
    expect(await http.send(post(`http://dingtalk.test:${port}/`), signal)).toMatchObject({ kind: 'unknown' })
  })
})

describe('over TLS', () => {
  test('connects to the resolved address with the name of the host, once for each exchange', async () => {
    const servernames: unknown[] = []
    const hosts: unknown[] = []
    const server = createTlsServer({ key: KEY, cert: CERT }, (request, response) => {
      servernames.push((request.socket as TLSSocket).servername)
      hosts.push(request.headers.host)
      response.end('ok')
    })
    const port = await listen(server)
    const names = namesOf({ 'dingtalk.test': '127.0.0.1' })
    const secure = createHttp({ names, runtime, ca: CERT })
    const url = `https://dingtalk.test:${port}/`
    expect(await secure.send(post(url), signal)).toMatchObject({ kind: 'answered', body: 'ok' })
    expect(await secure.send(post(url), signal)).toMatchObject({ kind: 'answered', body: 'ok' })
    expect(servernames).toEqual(['dingtalk.test', 'dingtalk.test'])
    expect(hosts).toEqual([`dingtalk.test:${port}`, `dingtalk.test:${port}`])
    expect(names.asked).toEqual(['dingtalk.test', 'dingtalk.test'])
  })

  test('sends nothing to a server that cannot prove its name', async () => {
    let hits = 0
    const port = await listen(
      createTlsServer({ key: KEY, cert: CERT }, () => {
        hits += 1
      }),
    )
    const names = namesOf({ 'dingtalk.test': '127.0.0.1', 'other.test': '127.0.0.1' })
    const untrusting = createHttp({ names, runtime })
    expect(await untrusting.send(post(`https://dingtalk.test:${port}/`), signal)).toMatchObject({
      kind: 'failed',
    })
    const misled = createHttp({ names, runtime, ca: CERT })
    expect(await misled.send(post(`https://other.test:${port}/`), signal)).toMatchObject({ kind: 'failed' })
    expect(hits).toBe(0)
  })
})
