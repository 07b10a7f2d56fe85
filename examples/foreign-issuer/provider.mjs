// An OpenID provider of another make, npm's oidc-provider: it gives a service tokens for the FHIR base that it names (RFC 8707), as JWTs.
//
//     node provider.mjs PORT
import Provider from "oidc-provider";

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const scope = "system/Patient.rs";
const provider = new Provider(issuer, {
  clients: [{
    client_id: "warehouse", client_secret: "a-secret-of-the-warehouse-service", grant_types: ["client_credentials"], redirect_uris: [], response_types: [],
  }],
  scopes: [scope],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({ scope, audience: resource, accessTokenFormat: "jwt", accessTokenTTL: 300 }),
      useGrantedResource: () => true,
    },
  },
});
provider.listen(port, "127.0.0.1", () => console.log(`issuer ${issuer}`));
