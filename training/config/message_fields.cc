#include "rcnn/training/config/message_fields.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/text_format.h>

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rcnn/training/config/written_defaults.h"

namespace rcnn::training {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr char kMessage[] = "{}";

// `index` -1: the field is not repeated.
std::string ScalarText(const Message& message, const FieldDescriptor& field, int index) {
  std::string text;
  google::protobuf::TextFormat::PrintFieldValueToString(message, &field, index, &text);
  return text;
}

std::string ListText(const Message& message, const FieldDescriptor& field, int size) {
  std::vector<std::string> texts;
  for (int i = 0; i < size; ++i) texts.push_back(ScalarText(message, field, i));
  return absl::StrCat("[", absl::StrJoin(texts, ", "), "]");
}

// Whether an absent scalar has a default. A member of a oneof is never equivalent to an
// absent one, because it selects the member.
bool HasDefault(const FieldDescriptor& field) {
  return field.has_default_value() && field.containing_oneof() == nullptr;
}

void AddScalar(const Message& message, const FieldDescriptor& field, const std::string& path,
               MessageFields& fields) {
  fields.set[path] = ScalarText(message, field, -1);
  if (!HasDefault(field)) return;
  const std::unique_ptr<Message> empty(message.New());
  fields.defaults[path] = ScalarText(*empty, field, -1);
}

void AddMessage(const Message& message, const std::string& path, MessageFields& fields) {
  fields.set[path] = kMessage;
  AddMessageFields(message, absl::StrCat(path, "."), fields);
}

void AddSingular(const Message& message, const FieldDescriptor& field, const std::string& path,
                 MessageFields& fields) {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    return AddScalar(message, field, path, fields);
  }
  AddMessage(message.GetReflection()->GetMessage(message, &field), path, fields);
  if (AbsentMeansDefaults(field)) fields.defaults[path] = kMessage;
}

void AddRepeated(const Message& message, const FieldDescriptor& field, const std::string& path,
                 MessageFields& fields) {
  const Reflection& reflection = *message.GetReflection();
  const int size = reflection.FieldSize(message, &field);
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    fields.set[path] = ListText(message, field, size);
    return;
  }
  for (int i = 0; i < size; ++i) {
    AddMessage(reflection.GetRepeatedMessage(message, &field, i), absl::StrCat(path, "[", i, "]"),
               fields);
  }
}

}  // namespace

void AddMessageFields(const Message& message, absl::string_view prefix, MessageFields& fields) {
  std::vector<const FieldDescriptor*> set;
  message.GetReflection()->ListFields(message, &set);
  for (const FieldDescriptor* field : set) {
    const auto add = field->is_repeated() ? AddRepeated : AddSingular;
    add(message, *field, absl::StrCat(prefix, field->name()), fields);
  }
}

FieldMap WithoutDefaults(const MessageFields& fields) {
  FieldMap others;
  for (const auto& [path, value] : fields.set) {
    const auto found = fields.defaults.find(path);
    if (found == fields.defaults.end() || found->second != value) others[path] = value;
  }
  return others;
}

}  // namespace rcnn::training
