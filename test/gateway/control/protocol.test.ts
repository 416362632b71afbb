import { expect, test } from 'vitest'
import { serveControl } from '../../../gateway/control/protocol.ts'
import type { Gateway } from '../../../gateway/gateway.ts'
import { VerbRefused } from '../../../gateway/lane/verb-refused.ts'

const decision = { by: 'anna', reason: 'stocktaking' }

/** A gateway that notes what it is asked, and answers or throws as told. */
function gatewayThat(answer: () => Promise<null>) {
  const asked: unknown[] = []
  const never = () => Promise.reject(new Error('It was asked for something else.'))
  const gateway: Gateway = {
    run: never,
    once: never,
    idle: never,
    status: async () => ({
      gateway: 'g',
      since: '2026-11-24T00:00:00Z',
      log: { trouble: null },
      sources: [],
      publisher: null,
    }),
    request: (source, request) => {
      asked.push({ source, ...request })
      return answer()
    },
  }
  return { gateway, asked }
}

test('hands each verb on as it was asked', async () => {
  const requests = [
    { verb: 'pause', source: 'k3', feed: null, decision },
    { verb: 'resume', source: 'k3', feed: 'stock', decision },
    { verb: 'decide', source: 'k3', feed: 'stock', allow: false, decision },
    { verb: 'resync', source: 'k3', feed: 'stock', newLineage: true, decision },
    { verb: 'remap', source: 'k3', feed: 'stock', mode: 'quiet', decision },
    { verb: 'retry-rejects', source: 'k3', feed: 'stock' },
    { verb: 'retry-rejects', source: 'k3', feed: 'stock', mapping: 'v1' },
    { verb: 'preview', source: 'k3', feed: 'stock', limit: 5 },
  ]
  const { gateway, asked } = gatewayThat(async () => null)
  for (const request of requests) {
    expect(await serveControl(gateway, request)).toEqual({ ok: true, value: null })
  }
  expect(asked).toEqual(requests)
  expect(await serveControl(gateway, { verb: 'status' })).toMatchObject({ ok: true, value: { gateway: 'g' } })
})

test('refuses whatever it does not know to the letter, and carries out nothing of it', async () => {
  const { gateway, asked } = gatewayThat(async () => null)
  for (const request of [
    null,
    'status',
    [],
    {},
    { verb: 'stop' },
    { verb: 'status', more: 1 },
    { verb: 'pause', source: 'k3', feed: null },
    { verb: 'pause', source: 'k3', feed: null, decision: { by: 'anna', reason: '' } },
    { verb: 'pause', source: 'k3', feed: null, decision: { ...decision, as: 'root' } },
    { verb: 'decide', source: 'k3', feed: 'stock', allow: 'true', decision },
    { verb: 'remap', source: 'k3', feed: 'stock', mode: 'loud', decision },
    { verb: 'preview', source: 'k3', feed: 'stock', limit: 1e9 },
    { verb: 'preview', source: 'k3', feed: 'stock', limit: 1.5 },
  ]) {
    const answer = await serveControl(gateway, request)
    expect(answer, JSON.stringify(request)).toMatchObject({ ok: false, refused: true })
  }
  expect(asked).toEqual([])
})

test('what goes wrong is an answer, and tells a refusal from a failure', async () => {
  const request = { verb: 'retry-rejects', source: 'k3', feed: 'stock' }
  const refused = gatewayThat(() => Promise.reject(new VerbRefused('Lane k3.stock is not open.')))
  expect(await serveControl(refused.gateway, request)).toEqual({
    ok: false,
    refused: true,
    message: 'Lane k3.stock is not open.',
  })
  const failed = gatewayThat(() => Promise.reject(new Error('disk')))
  expect(await serveControl(failed.gateway, request)).toEqual({ ok: false, refused: false, message: 'disk' })
})
