// What a program does with a FHIR server through fhir-kit-client: node main.mjs http://127.0.0.1:8080/fhir
// It ends with status 1 at the first answer that is not as FHIR R4 says.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Client } from 'fhir-kit-client';

const base = process.argv[2] ?? 'http://127.0.0.1:8080/fhir';
const client = new Client({ baseUrl: base });
const system = `urn:uuid:${randomUUID()}`; // of the identifiers of this run
const token = (value) => `${system}|${value}`;
const patient = (value, rest = {}) => ({ resourceType: 'Patient', identifier: [{ system, value }], ...rest });
const response = (resource) => Client.httpFor(resource).response;
const sources = (bundle) => (bundle.entry ?? []).map((e) => e.resource);

// refusal waits for an error of the client with this status and an OperationOutcome, and returns the outcome's first issue.
async function refusal(status, call) {
  const error = await call.then(() => assert.fail(`answered; it should be refused with ${status}`), (e) => e);
  assert.equal(error.response?.status, status, error.stack);
  assert.equal(error.response.data.resourceType, 'OperationOutcome');
  return error.response.data.issue[0];
}

async function capabilities() {
  const statement = await client.capabilityStatement();
  assert.equal(statement.resourceType, 'CapabilityStatement');
  assert.equal(statement.fhirVersion, '4.0.1');
  const codes = statement.rest[0].resource.find((r) => r.type === 'Patient').interaction.map((i) => i.code);
  for (const code of ['read', 'vread', 'update', 'patch', 'delete', 'create', 'search-type']) {
    assert.ok(codes.includes(code), `${code} of Patient is not listed`);
  }
}

async function instance() {
  const first = await client.create({ resourceType: 'Patient', body: patient('instance', { name: [{ family: 'Gräf', given: ['Ida'] }] }) });
  const { id } = first;
  assert.equal(response(first).status, 201);
  assert.match(response(first).headers.get('location'), new RegExp(`/Patient/${id}/_history/1$`));
  assert.deepEqual(await client.read({ resourceType: 'Patient', id }), first);

  const etag = response(await client.read({ resourceType: 'Patient', id })).headers.get('etag');
  const second = await client.update({
    resourceType: 'Patient', id, body: { ...first, active: true }, options: { headers: { 'If-Match': etag } },
  });
  assert.equal(second.meta.versionId, '2');
  assert.equal(second.active, true);
  await refusal(412, client.update({ resourceType: 'Patient', id, body: first, options: { headers: { 'If-Match': etag } } }));

  const third = await client.patch({
    resourceType: 'Patient', id, jsonPatch: [
      { op: 'test', path: '/active', value: true },
      { op: 'add', path: '/birthDate', value: '1908-02-29' },
      { op: 'replace', path: '/name/0/given/0', value: 'Ada' },
    ],
  });
  assert.equal(third.birthDate, '1908-02-29');
  assert.deepEqual(third.name, [{ family: 'Gräf', given: ['Ada'] }]);
  const fourth = await client.request(`Patient/${id}`, {
    method: 'PATCH',
    options: { headers: { 'Content-Type': 'application/fhir+json' } },
    body: {
      resourceType: 'Parameters',
      parameter: [{
        name: 'operation',
        part: [
          { name: 'type', valueCode: 'replace' }, { name: 'path', valueString: 'Patient.birthDate' },
          { name: 'value', valueDate: '1908-03-01' },
        ],
      }],
    },
  });
  assert.equal(fourth.birthDate, '1908-03-01');

  assert.deepEqual(await client.vread({ resourceType: 'Patient', id, version: '1' }), first);
  const history = await client.history({ resourceType: 'Patient', id });
  assert.deepEqual(sources(history).map((r) => r.meta.versionId), ['4', '3', '2', '1']);

  await client.delete({ resourceType: 'Patient', id });
  assert.equal((await refusal(410, client.read({ resourceType: 'Patient', id }))).code, 'deleted');
  assert.deepEqual(await client.vread({ resourceType: 'Patient', id, version: '4' }), fourth);
  assert.equal((await client.history({ resourceType: 'Patient', id })).entry[0].request.method, 'DELETE');
}

async function conditionals() {
  const once = () => client.create({
    resourceType: 'Patient', body: patient('once'), options: { headers: { 'If-None-Exist': `identifier=${encodeURIComponent(token('once'))}` } },
  });
  const made = await once();
  const again = await once();
  assert.deepEqual([response(made).status, response(again).status], [201, 200]);
  assert.equal(again.id, made.id);

  const where = { identifier: token('once') };
  const updated = await client.update({ resourceType: 'Patient', searchParams: where, body: patient('once', { gender: 'female' }) });
  assert.deepEqual([updated.id, updated.gender], [made.id, 'female']);
  const other = await client.update({ resourceType: 'Patient', searchParams: { identifier: token('upsert') }, body: patient('upsert') });
  assert.equal(response(other).status, 201);

  await client.create({ resourceType: 'Patient', body: patient('once') });
  await refusal(412, client.update({ resourceType: 'Patient', searchParams: where, body: patient('once') }));
  await refusal(412, once());

  await client.request(`Patient?identifier=${encodeURIComponent(token('upsert'))}`, { method: 'DELETE' });
  await refusal(410, client.read({ resourceType: 'Patient', id: other.id }));
}

async function searches() {
  const ward = { code: { text: 'temperature' }, status: 'final' };
  const { id } = await client.create({ resourceType: 'Patient', body: patient('ward', { name: [{ family: 'Österlund' }] }) });
  const made = [];
  for (let hour = 10; hour < 20; hour++) {
    made.push(await client.create({
      resourceType: 'Observation',
      body: {
        resourceType: 'Observation', ...ward, subject: { reference: `Patient/${id}` }, identifier: [{ system, value: `o${hour}` }],
        effectiveDateTime: `2026-02-03T${hour}:00:00Z`, valueQuantity: { value: 30 + hour / 2, system: 'http://unitsofmeasure.org', code: 'Cel' },
      },
    }));
  }
  const ids = (list) => list.map((r) => r.id);
  const few = await client.search({
    resourceType: 'Observation',
    searchParams: { patient: id, 'code:text': 'temp', date: ['ge2026-02-03T12:00:00Z', 'lt2026-02-03T16:00:00Z'], 'value-quantity': 'gt36.5', _sort: '-date' },
  });
  assert.deepEqual(ids(sources(few)), [made[5].id, made[4].id]);

  const both = await client.search({
    resourceType: 'Observation', options: { postSearch: true },
    searchParams: { subject: `Patient/${id}`, identifier: `${token('o11')},${token('o12')}`, _elements: 'identifier' },
  });
  assert.deepEqual(sources(both).map((r) => r.identifier[0].value).sort(), ['o11', 'o12']);

  let page = await client.search({ resourceType: 'Observation', searchParams: { subject: `Patient/${id}`, _count: 3, _sort: 'date', _total: 'accurate' } });
  assert.equal(page.total, 10);
  const all = [];
  const sizes = [];
  while (page) {
    all.push(...sources(page));
    sizes.push(page.entry.length);
    page = await client.nextPage({ bundle: page });
  }
  assert.deepEqual(ids(all), ids(made));
  assert.deepEqual(sizes, [3, 3, 3, 1]);

  const patients = await client.resolve({ reference: made[0].subject.reference });
  assert.equal(patients.id, id);
  assert.equal((await client.search({ resourceType: 'Patient', searchParams: { identifier: token('nobody') } })).total, 0);
}

async function bundles() {
  const [father, child, sample] = [randomUUID(), randomUUID(), randomUUID()].map((u) => `urn:uuid:${u}`);
  const answer = await client.transaction({
    body: {
      resourceType: 'Bundle', type: 'transaction',
      entry: [
        {
          fullUrl: sample, request: { method: 'POST', url: 'Observation' },
          resource: { resourceType: 'Observation', status: 'final', code: { text: 'length' }, subject: { reference: child }, performer: [{ reference: father }] },
        },
        {
          fullUrl: child, request: { method: 'POST', url: 'Patient', ifNoneExist: `identifier=${token('child')}` }, resource: patient('child'),
        },
        {
          fullUrl: father, request: { method: 'PUT', url: `RelatedPerson?identifier=${token('father')}` },
          resource: { resourceType: 'RelatedPerson', identifier: [{ system, value: 'father' }], patient: { reference: child } },
        },
      ],
    },
  });
  assert.equal(answer.type, 'transaction-response');
  assert.deepEqual(answer.entry.map((e) => e.response.status.slice(0, 3)), ['201', '201', '201']);
  const [observation, , relative] = await Promise.all(answer.entry.map((e) => {
    const [resourceType, id] = e.response.location.replace(`${base}/`, '').split('/');
    return client.read({ resourceType, id });
  }));
  assert.match(observation.subject.reference, /^Patient\//);
  assert.equal(observation.subject.reference, relative.patient.reference);
  assert.deepEqual(observation.performer, [{ reference: `RelatedPerson/${relative.id}` }]);

  const put = (id, body) => ({ request: { method: 'PUT', url: `Patient/${id}` }, resource: { ...body, id } });
  const issue = await refusal(400, client.transaction({
    body: {
      resourceType: 'Bundle', type: 'transaction',
      entry: [{ request: { method: 'POST', url: 'Patient' }, resource: patient('undone') }, put('x'.repeat(65), patient('undone'))],
    },
  }));
  assert.match(JSON.stringify(issue), /entry\[1\]/);
  assert.equal((await client.search({ resourceType: 'Patient', searchParams: { identifier: token('undone') } })).total, 0);

  const batch = await client.batch({
    body: {
      resourceType: 'Bundle', type: 'batch',
      entry: [
        { request: { method: 'GET', url: observation.subject.reference } },
        { request: { method: 'GET', url: `Patient/${randomUUID()}` } },
        { request: { method: 'GET', url: `Patient?identifier=${token('child')}` } },
      ],
    },
  });
  assert.deepEqual(batch.entry.map((e) => e.response.status.slice(0, 3)), ['200', '404', '200']);
  assert.equal(batch.entry[1].response.outcome.resourceType, 'OperationOutcome');
  assert.equal(sources(batch)[2].entry[0].resource.identifier[0].value, 'child');
}

async function operations() {
  const good = await client.operation({ name: 'validate', resourceType: 'Patient', input: patient('never') });
  assert.ok(!good.issue.some((i) => ['error', 'fatal'].includes(i.severity)));
  const bad = await client.operation({ name: '$validate', resourceType: 'Patient', input: { ...patient('never'), birthDate: '29.2.1908' } });
  assert.match(JSON.stringify(bad.issue.find((i) => i.severity === 'error')), /Patient.birthDate/);
}

async function errors() {
  assert.equal((await refusal(404, client.read({ resourceType: 'Patient', id: randomUUID() }))).code, 'not-found');
  await refusal(404, client.read({ resourceType: 'Nonsense', id: '1' }));
  await refusal(400, client.search({ resourceType: 'Patient', searchParams: { birthdate: 'yesterday' } }));
  const invalid = client.create({ resourceType: 'Observation', body: { resourceType: 'Observation', status: 'final' } });
  assert.match(JSON.stringify(await refusal(400, invalid)), /Observation.code/);
  const { id } = await client.create({ resourceType: 'Patient', body: patient('errors') });
  await refusal(422, client.patch({ resourceType: 'Patient', id, jsonPatch: [{ op: 'test', path: '/active', value: true }] }));
}

for (const step of [capabilities, instance, conditionals, searches, bundles, operations, errors]) {
  await step();
  console.log(`ok ${step.name}`);
}
