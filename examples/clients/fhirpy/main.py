"""What a program does with a FHIR server through fhirpy and the models of fhir.resources.

python main.py http://127.0.0.1:8080/fhir ends with status 1 at the first answer that is not as FHIR R4 says.
"""

import json
import sys
import uuid
from datetime import date

from fhir.resources.R4B import get_fhir_model_class
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

BASE = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/fhir"
SYSTEM = f"urn:uuid:{uuid.uuid4()}"  # of the identifiers of this run

client = SyncFHIRClient(BASE)
patients = client.resources("Patient")
observations = client.resources("Observation")


def modelled(type_name, **elements):
    """A resource of fhirpy whose content a model of fhir.resources has checked."""
    model = get_fhir_model_class(type_name)(**elements)
    return client.resource(type_name, **json.loads(model.model_dump_json(exclude={"resource_type"})))


def patient(value, **rest):
    return modelled("Patient", identifier=[{"system": SYSTEM, "value": value}], **rest)


def whole(resource):
    """What the server answered is a resource of its model, and the model loses nothing of it."""
    plain = json.loads(json.dumps(resource.serialize()))
    model = get_fhir_model_class(plain["resourceType"]).model_validate(plain)
    assert json.loads(model.model_dump_json()).keys() == plain.keys(), plain
    return resource


def refusal(error, call):
    """call raises this exception of fhirpy with an OperationOutcome, whose first issue is returned."""
    try:
        call()
    except error as raised:
        outcome = json.loads(str(raised))
        assert outcome["resourceType"] == "OperationOutcome", outcome
        return outcome["issue"][0]
    raise AssertionError(f"answered; it should be refused with {error.__name__}")


def told(etag):
    """A client that sends If-Match."""
    return SyncFHIRClient(BASE, extra_headers={"If-Match": etag})


def capabilities():
    statement = client.execute("metadata", method="get")
    assert statement.resourceType == "CapabilityStatement" and statement.fhirVersion == "4.0.1"


def instance():
    p = patient("instance", name=[{"family": "Gräf", "given": ["Ida"]}], birthDate=date(1908, 2, 29))
    p.save()
    assert p.id and p.meta.versionId == "1"
    first = whole(client.reference("Patient", p.id).to_resource())
    assert first == p

    p["active"] = True
    p.save()
    assert p.meta.versionId == "2"
    refusal(MultipleResourcesFound, lambda: told('W/"1"').resource("Patient", **first).save())  # its name for 412
    p = told('W/"2"').resource("Patient", **p)
    p["gender"] = "female"
    p.save()
    assert whole(p).meta.versionId == "3"
    p.refresh()
    assert p.gender == "female"

    # fhirpy's own patch sends parts of a resource, which is not a patch of FHIR R4; a FHIRPath Patch is.
    path_patch = modelled(
        "Parameters",
        parameter=[{"name": "operation", "part": [
            {"name": "type", "valueCode": "replace"},
            {"name": "path", "valueString": "Patient.name.given"},
            {"name": "value", "valueString": "Ada"},
        ]}],
    )
    patched = client.execute(f"Patient/{p.id}", method="patch", data=path_patch.serialize())
    assert patched.name[0].given == ["Ada"] and patched.meta.versionId == "4"
    json_patch = SyncFHIRClient(BASE, extra_headers={"Content-Type": "application/json-patch+json"})
    operations = [{"op": "test", "path": "/active", "value": True}, {"op": "remove", "path": "/active"}]
    patched = json_patch.execute(f"Patient/{p.id}", method="patch", data=operations)
    assert "active" not in patched and patched.meta.versionId == "5"

    old = client.execute(f"Patient/{p.id}/_history/1", method="get")
    assert old == first.serialize()
    history = client.execute(f"Patient/{p.id}/_history", method="get")
    assert [e.resource.meta.versionId for e in history.entry] == ["5", "4", "3", "2", "1"]

    client.delete("Patient", p.id)
    assert refusal(ResourceNotFound, lambda: client.get("Patient", p.id))["code"] == "deleted"


def conditionals():
    where = patients.search(identifier=f"{SYSTEM}|once")
    once = SyncFHIRClient(BASE, extra_headers={"If-None-Exist": f"identifier={SYSTEM}|once"})
    made = once.resource("Patient", **patient("once"))
    made.save()
    again = once.resource("Patient", **patient("once"))
    again.save()
    assert again.id == made.id and where.get().id == made.id

    changed, created = where.update(patient("once", gender="male"))
    assert (changed.id, changed.gender, created) == (made.id, "male", False)
    other, created = patients.search(identifier=f"{SYSTEM}|upsert").update(patient("upsert"))
    assert created

    patient("once").save()
    refusal(MultipleResourcesFound, lambda: where.update(patient("once")))
    patients.search(identifier=f"{SYSTEM}|upsert").delete()
    refusal(ResourceNotFound, lambda: client.get("Patient", other.id))


def searches():
    ward = patient("ward", name=[{"family": "Österlund"}])
    ward.save()
    made = []
    for hour in range(10, 20):
        o = modelled(
            "Observation",
            status="final",
            code={"coding": [{"system": SYSTEM, "code": "temperature"}]},
            subject={"reference": ward.to_reference().reference},
            effectiveDateTime=f"2026-02-03T{hour}:00:00Z",
            valueQuantity={"value": 30 + hour / 2, "system": "http://unitsofmeasure.org", "code": "Cel"},
        )
        o.save()
        made.append(o.id)
    mine = observations.search(subject=ward, code=f"{SYSTEM}|temperature")
    few = mine.search(date__ge="2026-02-03T12:00:00Z", date__lt="2026-02-03T16:00:00Z", value_quantity__gt=36.5).sort("-date")
    assert [whole(o).id for o in few.fetch()] == [made[5], made[4]]
    assert [o.id for o in mine.sort("date").limit(3)] == made  # follows the links to next pages
    assert mine.search(_elements="status").first().status == "final"
    assert patients.search(name="oster", identifier=f"{SYSTEM}|").get().id == ward.id
    refusal(OperationOutcome, lambda: patients.search(birthdate="yesterday").fetch())

    # count sends a parameter that FHIR does not know.
    lenient = SyncFHIRClient(BASE, extra_headers={"Prefer": "handling=lenient"})
    assert lenient.resources("Observation").search(subject=ward).count() == 10


def bundles():
    child, father = uuid.uuid4().urn, uuid.uuid4().urn
    answer = modelled(
        "Bundle",
        type="transaction",
        entry=[
            {
                "fullUrl": father,
                "request": {"method": "POST", "url": "RelatedPerson"},
                "resource": {"resourceType": "RelatedPerson", "patient": {"reference": child}},
            },
            {
                "fullUrl": child,
                "request": {"method": "POST", "url": "Patient", "ifNoneExist": f"identifier={SYSTEM}|child"},
                "resource": {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": "child"}]},
            },
        ],
    )
    answer.save()
    assert answer.type == "transaction-response"
    assert [e.response.status[:3] for e in answer.entry] == ["201", "201"]
    stored = patients.search(identifier=f"{SYSTEM}|child").get()
    father = client.resources("RelatedPerson").search(patient=stored).get()
    assert whole(father).patient.reference == stored.to_reference().reference

    undone = modelled(
        "Bundle",
        type="transaction",
        entry=[
            {"request": {"method": "POST", "url": "Patient"}, "resource": patient("undone").serialize()},
            {"request": {"method": "DELETE", "url": f"Patient?identifier={SYSTEM}|child&birthdate=yesterday"}},
        ],
    )
    assert "entry[1]" in json.dumps(refusal(OperationOutcome, undone.save))
    assert patients.search(identifier=f"{SYSTEM}|undone").fetch() == []

    batch = modelled(
        "Bundle",
        type="batch",
        entry=[
            {"request": {"method": "GET", "url": f"Patient/{stored.id}"}},
            {"request": {"method": "GET", "url": f"Patient/{uuid.uuid4()}"}},
        ],
    )
    batch.save()
    assert [e.response.status[:3] for e in batch.entry] == ["200", "404"]
    assert batch.entry[0].resource.id == stored.id
    assert batch.entry[1].response.outcome.resourceType == "OperationOutcome"


def operations():
    assert patient("never").is_valid()
    wrong = client.resource("Patient", birthDate="29.2.1908")
    assert not wrong.is_valid()


def errors():
    nobody = str(uuid.uuid4())
    assert refusal(ResourceNotFound, lambda: client.get("Patient", nobody))["code"] == "not-found"
    refusal(ResourceNotFound, lambda: client.get("Nonsense", nobody))
    issue = refusal(OperationOutcome, client.resource("Observation", status="final").save)
    assert "Observation.code" in json.dumps(issue)
    wrong_id = client.resource("Patient", id="x" * 65)
    refusal(OperationOutcome, wrong_id.save)


for step in (capabilities, instance, conditionals, searches, bundles, operations, errors):
    step()
    print("ok", step.__name__)
