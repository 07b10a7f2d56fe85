// Where users come back to: shows who the patient is and what the patient weighs.
const at = (id) => document.getElementById(id);
const say = (text) => { at("status").textContent = text; };

async function show(client) {
  const patient = await client.patient.read();
  const name = patient.name?.[0] ?? {};
  at("patient").textContent = `${(name.given ?? []).join(" ")} ${name.family ?? ""}, born ${patient.birthDate ?? "?"}`;
  const bundle = await client.patient.request("Observation?code=http://loinc.org|29463-7&_sort=-date");
  const rows = (bundle.entry ?? []).map(({ resource }) => {
    const row = document.createElement("tr");
    for (const text of [resource.effectiveDateTime, `${resource.valueQuantity?.value} ${resource.valueQuantity?.unit}`]) {
      row.append(Object.assign(document.createElement("td"), { textContent: text }));
    }
    return row;
  });
  document.querySelector("tbody").replaceChildren(...rows);
  document.querySelector("table").hidden = false;
  const { tokenResponse, user } = { tokenResponse: client.state.tokenResponse, user: client.user.fhirUser };
  document.body.dataset.user = user ?? "";
  document.body.dataset.encounter = tokenResponse.encounter ?? "";
  document.body.dataset.scope = tokenResponse.scope;
  say(`${rows.length} measurements`);
}

async function attempt(step) {
  say("Reading …");
  try {
    await step();
  } catch (error) {
    say(`Refused: ${error.message}`);
  }
}

attempt(async () => {
  const client = await FHIR.oauth2.ready();
  at("refresh").hidden = at("again").hidden = false;
  at("again").onclick = () => attempt(() => show(client));
  at("refresh").onclick = () => attempt(async () => {
    const before = client.state.tokenResponse.access_token;
    await client.refresh();
    if (client.state.tokenResponse.access_token === before) throw new Error("the token is the same");
    await show(client);
    say("Refreshed");
  });
  await show(client);
});
