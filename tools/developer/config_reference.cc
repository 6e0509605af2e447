#include "rcnn/tools/developer/config_reference.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <map>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace rcnn::tools {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;
using google::protobuf::OneofDescriptor;
using google::protobuf::SourceLocation;

// Fields of a message type, by the type's name: where it can be written.
using Uses = std::map<std::string, std::vector<std::string>>;

constexpr char kIntroduction[] =
    "<!-- Written by tools/developer/write_config_reference.sh from configs/*.proto. -->\n\n"
    "# Configuration\n\n"
    "Every message and field of an experiment's file, with their comments from `configs/*.proto`. "
    "A file holds the fields of [ExperimentConfig](#experimentconfig); "
    "`--print_config` prints an experiment with every default written out, and "
    "`--set=PATH=VALUE` changes one field ([training.md](training.md)). A field without a default "
    "is absent unless it is set. Units are in the names: `_px` is pixels, `_mib` 2^20 bytes.\n";

template <typename T>
std::string Comment(const T& descriptor) {
  SourceLocation location;
  if (!descriptor.GetSourceLocation(&location)) return "";
  return location.leading_comments;
}

// The comment at the top of a file: it is detached from the `syntax` line, whose
// number in FileDescriptorProto is 12.
std::string FileComment(const FileDescriptor& file) {
  SourceLocation location;
  if (!file.GetSourceLocation({FileDescriptorProto::kSyntaxFieldNumber}, &location)) return "";
  return absl::StrJoin(location.leading_detached_comments, "\n");
}

// Comment lines begin with the space after "//".
std::vector<std::string> Lines(const std::string& comment) {
  std::vector<std::string> lines;
  for (absl::string_view line : absl::StrSplit(absl::StripAsciiWhitespace(comment), '\n')) {
    absl::ConsumePrefix(&line, " ");
    lines.emplace_back(absl::StripTrailingAsciiWhitespace(line));
  }
  return lines;
}

std::string Text(const std::string& comment) {
  std::string text;
  bool code = false;
  for (const std::string& line : Lines(comment)) {
    const bool indented = absl::StartsWith(line, "  ");
    if (indented != code && !line.empty()) {
      absl::StrAppend(&text, indented && !absl::EndsWith(text, "\n\n") ? "\n" : "", "```\n");
      code = indented;
    }
    absl::StrAppend(&text, code && indented ? line.substr(2) : line, "\n");
  }
  return absl::StrCat(text, code ? "```\n" : "");
}

std::string Cell(const std::string& comment) {
  const std::string line = absl::StrJoin(Lines(comment), " ");
  return absl::StrReplaceAll(std::string(absl::StripAsciiWhitespace(line)),
                             {{"|", "\\|"}, {"<", "&lt;"}, {"  ", "<br>"}});
}

// Without the package: ResourcesConfig.Device.
template <typename T>
std::string Name(const T& type) {
  return type.full_name().substr(type.file()->package().size() + 1);
}

// As a link to its heading, where Markdown drops the dots.
template <typename T>
std::string Link(const T& type) {
  const std::string name = Name(type);
  return absl::StrCat("[", name, "](#",
                      absl::AsciiStrToLower(absl::StrReplaceAll(name, {{".", ""}})), ")");
}

std::string TypeName(const FieldDescriptor& field) {
  std::string type = field.type_name();
  if (field.is_map()) {
    const auto* const entry = field.message_type();
    return absl::StrCat("map from ", TypeName(*entry->field(0)), " to ",
                        TypeName(*entry->field(1)));
  }
  if (field.message_type() != nullptr) type = Link(*field.message_type());
  if (field.enum_type() != nullptr) type = Link(*field.enum_type());
  return field.is_repeated() ? absl::StrCat("list of ", type) : type;
}

std::string Default(const FieldDescriptor& field) {
  if (!field.has_default_value()) return "";
  FieldDescriptorProto proto;
  field.CopyTo(&proto);
  return absl::StrCat("`", proto.default_value(), "`");
}

std::string FieldTable(const Descriptor& message) {
  if (message.field_count() == 0) return "No fields.\n";
  std::string table = "| field | type | default | |\n| --- | --- | --- | --- |\n";
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    absl::StrAppend(&table, "| `", field.name(), "` | ", TypeName(field), " | ", Default(field),
                    " | ", Cell(Comment(field)), " |\n");
  }
  return table;
}

std::string Oneofs(const Descriptor& message) {
  std::string text;
  for (int i = 0; i < message.real_oneof_decl_count(); ++i) {
    const OneofDescriptor& oneof = *message.oneof_decl(i);
    std::vector<std::string> names;
    for (int k = 0; k < oneof.field_count(); ++k) {
      names.push_back(absl::StrCat("`", oneof.field(k)->name(), "`"));
    }
    absl::StrAppend(&text, "\nAlternatives: ", absl::StrJoin(names, ", "), ". ",
                    Cell(Comment(oneof)), "\n");
  }
  return text;
}

std::string EnumSection(const EnumDescriptor& type, absl::string_view level) {
  std::string text = absl::StrCat("\n", level, " ", Name(type), "\n\n");
  const std::string comment = Comment(type);
  if (!comment.empty()) absl::StrAppend(&text, Text(comment), "\n");
  absl::StrAppend(&text, "| value | |\n| --- | --- |\n");
  for (int i = 0; i < type.value_count(); ++i) {
    const EnumValueDescriptor& value = *type.value(i);
    absl::StrAppend(&text, "| `", value.name(), "` | ", Cell(Comment(value)), " |\n");
  }
  return text;
}

std::string MessageSection(const Descriptor& message, const Uses& uses) {
  std::string text = absl::StrCat("\n### ", Name(message), "\n\n");
  const std::string comment = Comment(message);
  if (!comment.empty()) absl::StrAppend(&text, Text(comment), "\n");
  const auto used = uses.find(message.full_name());
  if (used != uses.end()) {
    absl::StrAppend(&text, "In ", absl::StrJoin(used->second, ", "), ".\n\n");
  }
  absl::StrAppend(&text, FieldTable(message), Oneofs(message));
  for (int i = 0; i < message.enum_type_count(); ++i) {
    absl::StrAppend(&text, EnumSection(*message.enum_type(i), "####"));
  }
  return text;
}

std::string FileSection(const FileDescriptor& file, const Uses& uses) {
  std::string path = file.name();
  path = path.substr(path.find('/') + 1);  // "rcnn/", the prefix of all includes
  std::string text = absl::StrCat("\n## ", path, "\n\n", Text(FileComment(file)));
  for (int i = 0; i < file.message_type_count(); ++i) {
    absl::StrAppend(&text, MessageSection(*file.message_type(i), uses));
  }
  for (int i = 0; i < file.enum_type_count(); ++i) {
    absl::StrAppend(&text, EnumSection(*file.enum_type(i), "###"));
  }
  return text;
}

void AddUses(const FileDescriptor& file, Uses& uses) {
  for (int i = 0; i < file.message_type_count(); ++i) {
    const Descriptor& message = *file.message_type(i);
    for (int k = 0; k < message.field_count(); ++k) {
      const FieldDescriptor& field = *message.field(k);
      if (field.message_type() == nullptr) continue;
      uses[field.message_type()->full_name()].push_back(
          absl::StrCat(Link(message), " as `", field.name(), "`"));
    }
  }
}

}  // namespace

absl::StatusOr<std::string> ConfigReference(const FileDescriptorSet& files) {
  DescriptorPool pool;
  std::vector<const FileDescriptor*> sorted;
  for (const FileDescriptorProto& file : files.file()) {
    const FileDescriptor* built = pool.BuildFile(file);
    if (built == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(file.name(), " does not fit the files before it"));
    }
    sorted.push_back(built);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->name() < b->name(); });
  Uses uses;
  for (const FileDescriptor* file : sorted) AddUses(*file, uses);
  std::string page = kIntroduction;
  for (const FileDescriptor* file : sorted) absl::StrAppend(&page, FileSection(*file, uses));
  return page;
}

}  // namespace rcnn::tools
