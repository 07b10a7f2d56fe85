// Where the app begins: with ?iss= alone (standalone), or with ?iss= and ?launch= when an EHR opens it.
const query = new URLSearchParams(location.search);
const context = query.has("launch") ? "launch" : "launch/patient";
FHIR.oauth2.authorize({
  clientId: query.get("client") ?? "demo-app",
  scope: `${context} openid fhirUser offline_access patient/Patient.rs patient/Observation.rs`,
  redirectUri: "./",
}).catch((error) => { document.getElementById("status").textContent = error.message; });
