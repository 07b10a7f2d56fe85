import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.rest.api.MethodOutcome;
import ca.uhn.fhir.rest.api.PreferReturnEnum;
import ca.uhn.fhir.rest.api.SearchStyleEnum;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.server.exceptions.BaseServerResponseException;
import ca.uhn.fhir.rest.server.exceptions.InvalidRequestException;
import ca.uhn.fhir.rest.server.exceptions.PreconditionFailedException;
import ca.uhn.fhir.rest.server.exceptions.ResourceGoneException;
import ca.uhn.fhir.rest.server.exceptions.ResourceNotFoundException;
import ca.uhn.fhir.rest.server.exceptions.UnprocessableEntityException;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import org.hl7.fhir.instance.model.api.IIdType;
import org.hl7.fhir.r4.model.*;
import org.hl7.fhir.r4.model.Bundle.BundleEntryComponent;
import org.hl7.fhir.r4.model.Bundle.BundleType;
import org.hl7.fhir.r4.model.Bundle.HTTPVerb;
import org.hl7.fhir.r4.model.CapabilityStatement.TypeRestfulInteraction;
import org.hl7.fhir.r4.model.OperationOutcome.IssueSeverity;

/**
 * What a program does with a FHIR server through HAPI's generic client: Main http://127.0.0.1:8080/fhir
 * It ends with an exception at the first answer that is not as FHIR R4 says.
 */
public class Main {
  private static final String SYSTEM = "urn:uuid:" + UUID.randomUUID(); // of the identifiers of this run
  private static final String UCUM = "http://unitsofmeasure.org";
  private static IGenericClient client;

  public static void main(String[] args) {
    client = FhirContext.forR4().newRestfulGenericClient(args.length > 0 ? args[0] : "http://127.0.0.1:8080/fhir");
    capabilities();
    instance();
    conditionals();
    searches();
    transactions();
    batches();
    operations();
    errors();
  }

  private static void capabilities() {
    CapabilityStatement statement = client.capabilities().ofType(CapabilityStatement.class).execute();
    same("4.0.1", statement.getFhirVersion().toCode());
    List<TypeRestfulInteraction> codes = statement.getRestFirstRep().getResource().stream()
        .filter(r -> r.getType().equals("Patient")).findFirst().orElseThrow().getInteraction().stream().map(i -> i.getCode()).toList();
    for (TypeRestfulInteraction code : TypeRestfulInteraction.values()) {
      check(code == TypeRestfulInteraction.NULL || codes.contains(code), code + " of Patient is not listed");
    }
    done("capabilities");
  }

  private static void instance() {
    Patient sent = patient("instance");
    sent.addName().setFamily("Gräf").addGiven("Ida");
    MethodOutcome made = client.create().resource(sent).prefer(PreferReturnEnum.REPRESENTATION).execute();
    check(made.getCreated(), "not created");
    IIdType id = made.getId();
    same("1", id.getVersionIdPart());
    Patient first = client.read().resource(Patient.class).withId(id.getIdPart()).execute();
    check(first.equalsDeep((Patient) made.getResource()), "read differs from what was created");

    first.setActive(true);
    MethodOutcome changed = client.update().resource(first).withId(id.toUnqualifiedVersionless())
        .withAdditionalHeader("If-Match", "W/\"" + first.getMeta().getVersionId() + "\"").execute();
    same("2", changed.getId().getVersionIdPart());
    refused(PreconditionFailedException.class, () -> client.update().resource(first).withAdditionalHeader("If-Match", "W/\"1\"").execute());

    client.patch().withBody("[{\"op\":\"add\",\"path\":\"/birthDate\",\"value\":\"1908-02-29\"}]").withId(id.toUnqualifiedVersionless()).execute();
    Parameters patch = new Parameters();
    Parameters.ParametersParameterComponent operation = patch.addParameter().setName("operation");
    operation.addPart().setName("type").setValue(new CodeType("replace"));
    operation.addPart().setName("path").setValue(new StringType("Patient.name.given"));
    operation.addPart().setName("value").setValue(new StringType("Ada"));
    client.patch().withFhirPatch(patch).withId(id.toUnqualifiedVersionless()).execute();
    Patient fourth = client.read().resource(Patient.class).withId(id.getIdPart()).execute();
    same("4", fourth.getMeta().getVersionId());
    same("Ada Gräf", fourth.getNameFirstRep().getNameAsSingleString());
    same("1908-02-29", fourth.getBirthDateElement().getValueAsString());

    Patient old = client.read().resource(Patient.class).withIdAndVersion(id.getIdPart(), "1").execute();
    check(!old.hasActive() && !old.hasBirthDate(), "version 1 has changed");
    Bundle history = client.history().onInstance(id.toUnqualifiedVersionless()).returnBundle(Bundle.class).execute();
    same(List.of("4", "3", "2", "1"), history.getEntry().stream().map(e -> e.getResource().getMeta().getVersionId()).toList());
    Patient unchanged = client.read().resource(Patient.class).withId(id.getIdPart()).ifVersionMatches("4").returnResource(fourth).execute();
    check(unchanged == fourth, "a version that is known was sent again"); // 304

    client.delete().resourceById(id.toUnqualifiedVersionless()).execute();
    refused(ResourceGoneException.class, () -> client.read().resource(Patient.class).withId(id.getIdPart()).execute());
    history = client.history().onInstance(id.toUnqualifiedVersionless()).returnBundle(Bundle.class).execute();
    same(HTTPVerb.DELETE, history.getEntryFirstRep().getRequest().getMethod());
    done("instance");
  }

  private static void conditionals() {
    MethodOutcome made = once();
    MethodOutcome again = once();
    check(made.getCreated() && !Boolean.TRUE.equals(again.getCreated()), "created twice");
    same(made.getId().getIdPart(), again.getId().getIdPart());

    Patient changed = patient("once").setGender(Enumerations.AdministrativeGender.FEMALE);
    MethodOutcome updated = client.update().resource(changed).conditional().where(Patient.IDENTIFIER.exactly().systemAndIdentifier(SYSTEM, "once")).execute();
    same(made.getId().getIdPart(), updated.getId().getIdPart());
    MethodOutcome other = client.update().resource(patient("upsert")).conditional()
        .where(Patient.IDENTIFIER.exactly().systemAndIdentifier(SYSTEM, "upsert")).execute();
    check(other.getCreated(), "a conditional update without a match does not create");
    client.patch().withBody("[{\"op\":\"add\",\"path\":\"/active\",\"value\":true}]").conditional(Patient.class)
        .where(Patient.IDENTIFIER.exactly().systemAndIdentifier(SYSTEM, "upsert")).execute();
    check(client.read().resource(Patient.class).withId(other.getId().getIdPart()).execute().getActive(), "not patched");

    client.create().resource(patient("once")).execute();
    refused(PreconditionFailedException.class, Main::once);
    client.delete().resourceConditionalByType(Patient.class).where(Patient.IDENTIFIER.exactly().systemAndIdentifier(SYSTEM, "upsert")).execute();
    refused(ResourceGoneException.class, () -> client.read().resource(Patient.class).withId(other.getId().getIdPart()).execute());
    done("conditionals");
  }

  private static MethodOutcome once() {
    return client.create().resource(patient("once")).conditional()
        .where(Patient.IDENTIFIER.exactly().systemAndIdentifier(SYSTEM, "once")).execute();
  }

  private static void searches() {
    IIdType ward = client.create().resource(patient("ward")).execute().getId().toUnqualifiedVersionless();
    List<String> made = new ArrayList<>();
    for (int hour = 10; hour < 20; hour++) {
      Observation o = new Observation().setStatus(Observation.ObservationStatus.FINAL);
      o.getCode().addCoding().setSystem(SYSTEM).setCode("temperature");
      o.getSubject().setReferenceElement(ward);
      o.setEffective(new DateTimeType("2026-02-03T" + hour + ":00:00Z"));
      o.setValue(new Quantity().setValue(BigDecimal.valueOf(300 + 5 * hour, 1)).setSystem(UCUM).setCode("Cel"));
      made.add(client.create().resource(o).execute().getId().getIdPart());
    }
    Bundle few = client.search().forResource(Observation.class)
        .where(Observation.SUBJECT.hasId(ward))
        .and(Observation.CODE.exactly().systemAndCode(SYSTEM, "temperature"))
        .and(Observation.DATE.afterOrEquals().second("2026-02-03T12:00:00Z"))
        .and(Observation.DATE.before().second("2026-02-03T16:00:00Z"))
        .and(Observation.VALUE_QUANTITY.greaterThan().number("36.5").andUnits(UCUM, "Cel"))
        .sort().descending(Observation.DATE).returnBundle(Bundle.class).execute();
    same(List.of(made.get(5), made.get(4)), ids(few));

    Bundle page = client.search().forResource(Observation.class).where(Observation.SUBJECT.hasId(ward))
        .sort().ascending(Observation.DATE).count(3).usingStyle(SearchStyleEnum.POST).returnBundle(Bundle.class).execute();
    List<String> all = new ArrayList<>(ids(page));
    while (page.getLink(Bundle.LINK_NEXT) != null) {
      page = client.loadPage().next(page).execute();
      all.addAll(ids(page));
    }
    same(made, all);
    Bundle summary = client.search().forResource(Observation.class).where(Observation.SUBJECT.hasId(ward))
        .elementsSubset("status").count(1).returnBundle(Bundle.class).execute();
    check(((Observation) summary.getEntryFirstRep().getResource()).hasStatus(), "_elements lost what it names");
    done("searches");
  }

  private static void transactions() {
    String child = UUID.randomUUID().toString();
    String father = UUID.randomUUID().toString();
    RelatedPerson relative = new RelatedPerson();
    relative.getPatient().setReference("urn:uuid:" + child);
    Bundle bundle = new Bundle().setType(BundleType.TRANSACTION);
    bundle.addEntry().setFullUrl("urn:uuid:" + father).setResource(relative).getRequest().setMethod(HTTPVerb.POST).setUrl("RelatedPerson");
    bundle.addEntry().setFullUrl("urn:uuid:" + child).setResource(patient("child")).getRequest().setMethod(HTTPVerb.POST).setUrl("Patient")
        .setIfNoneExist("identifier=" + SYSTEM + "|child");
    Bundle answer = client.transaction().withBundle(bundle).execute();
    same(BundleType.TRANSACTIONRESPONSE, answer.getType());
    List<IdType> made = answer.getEntry().stream().map(e -> new IdType(e.getResponse().getLocation())).toList();
    RelatedPerson stored = client.read().resource(RelatedPerson.class).withId(made.get(0).getIdPart()).execute();
    same("Patient/" + made.get(1).getIdPart(), stored.getPatient().getReference());

    Bundle undone = new Bundle().setType(BundleType.TRANSACTION);
    undone.addEntry().setResource(patient("undone")).getRequest().setMethod(HTTPVerb.POST).setUrl("Patient");
    undone.addEntry().getRequest().setMethod(HTTPVerb.DELETE).setUrl("Patient?birthdate=yesterday");
    OperationOutcome why = refused(InvalidRequestException.class, () -> client.transaction().withBundle(undone).execute());
    check(why.getIssueFirstRep().getExpression().toString().contains("entry[1]"), "the outcome does not name the entry");
    same(0, client.search().forResource(Patient.class).where(Patient.IDENTIFIER.exactly().systemAndIdentifier(SYSTEM, "undone"))
        .returnBundle(Bundle.class).execute().getTotal());
    done("transactions");
  }

  private static void batches() {
    Bundle bundle = new Bundle().setType(BundleType.BATCH);
    bundle.addEntry().setResource(patient("batch")).getRequest().setMethod(HTTPVerb.POST).setUrl("Patient");
    bundle.addEntry().getRequest().setMethod(HTTPVerb.GET).setUrl("Patient/" + UUID.randomUUID());
    List<BundleEntryComponent> entries = client.transaction().withBundle(bundle).execute().getEntry();
    same(List.of("201", "404"), entries.stream().map(e -> e.getResponse().getStatus().substring(0, 3)).toList());
    check(entries.get(1).getResponse().getOutcome() instanceof OperationOutcome, "an entry that is refused has no outcome");
    done("batches");
  }

  private static void operations() {
    OperationOutcome good = (OperationOutcome) client.validate().resource(patient("never")).execute().getOperationOutcome();
    check(good.getIssue().stream().noneMatch(i -> i.getSeverity() == IssueSeverity.ERROR), "a valid resource is said to be invalid");
    Observation uncoded = new Observation().setStatus(Observation.ObservationStatus.FINAL);
    OperationOutcome bad = (OperationOutcome) client.validate().resource(uncoded).execute().getOperationOutcome();
    check(bad.getIssue().stream().anyMatch(i -> i.getSeverity() == IssueSeverity.ERROR), "an invalid resource is said to be valid");
    done("operations");
  }

  private static void errors() {
    String nobody = UUID.randomUUID().toString();
    OperationOutcome why = refused(ResourceNotFoundException.class, () -> client.read().resource(Patient.class).withId(nobody).execute());
    same(OperationOutcome.IssueType.NOTFOUND, why.getIssueFirstRep().getCode());
    refused(InvalidRequestException.class, () -> client.create().resource(new Observation()).execute());
    refused(InvalidRequestException.class, () -> client.search().byUrl("Patient?birthdate=yesterday").returnBundle(Bundle.class).execute());
    IIdType id = client.create().resource(patient("errors")).execute().getId().toUnqualifiedVersionless();
    refused(UnprocessableEntityException.class,
        () -> client.patch().withBody("[{\"op\":\"test\",\"path\":\"/active\",\"value\":true}]").withId(id).execute());
    done("errors");
  }

  private static Patient patient(String identifier) {
    Patient p = new Patient();
    p.addIdentifier().setSystem(SYSTEM).setValue(identifier);
    return p;
  }

  private static List<String> ids(Bundle bundle) {
    return bundle.getEntry().stream().map(e -> e.getResource().getIdElement().getIdPart()).toList();
  }

  /** The call throws this exception of the client with an OperationOutcome, which is returned. */
  private static OperationOutcome refused(Class<? extends BaseServerResponseException> exception, Runnable call) {
    try {
      call.run();
    } catch (BaseServerResponseException e) {
      same(exception, e.getClass());
      check(e.getOperationOutcome() instanceof OperationOutcome, "no OperationOutcome: " + e.getMessage());
      return (OperationOutcome) e.getOperationOutcome();
    }
    throw new AssertionError("answered; it should be refused with " + exception.getSimpleName());
  }

  private static void same(Object want, Object have) {
    check(Objects.equals(want, have), have + "; it should be " + want);
  }

  private static void check(boolean ok, String message) {
    if (!ok) {
      throw new AssertionError(message);
    }
  }

  private static void done(String step) {
    System.out.println("ok " + step);
  }
}
