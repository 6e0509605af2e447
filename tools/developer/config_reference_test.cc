#include "rcnn/tools/developer/config_reference.h"

#include <google/protobuf/descriptor.pb.h>

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"

namespace rcnn::tools {
namespace {

using google::protobuf::FileDescriptorSet;
using ::testing::HasSubstr;
using ::testing::Not;

// What protoc makes of this file:
//
//   // Of colours.
//   //
//   //   paint { hue: 3 }
//
//   syntax = "proto2";
//   package rcnn.configs;
//
//   // How it looks | <now>.
//   message Paint {
//     // A or B.
//     oneof kind {
//       // In degrees; a|b,
//       // x < y.
//       double hue = 1 [default = 0.7];
//       Gloss gloss = 2;
//     }
//     repeated Mode mode = 3;
//     map<string, double> option = 4;
//     enum Mode {
//       // Nothing.
//       OFF = 0;
//     }
//   }
//   message Gloss {}
constexpr char kPaint[] = R"pb(
  file {
    name: "rcnn/configs/paint.proto"
    package: "rcnn.configs"
    message_type {
      name: "Paint"
      field {
        name: "hue"
        number: 1
        label: LABEL_OPTIONAL
        type: TYPE_DOUBLE
        default_value: "0.7"
        oneof_index: 0
      }
      field {
        name: "gloss"
        number: 2
        label: LABEL_OPTIONAL
        type: TYPE_MESSAGE
        type_name: ".rcnn.configs.Gloss"
        oneof_index: 0
      }
      field {
        name: "mode"
        number: 3
        label: LABEL_REPEATED
        type: TYPE_ENUM
        type_name: ".rcnn.configs.Paint.Mode"
      }
      field {
        name: "option"
        number: 4
        label: LABEL_REPEATED
        type: TYPE_MESSAGE
        type_name: ".rcnn.configs.Paint.OptionEntry"
      }
      nested_type {
        name: "OptionEntry"
        field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
        field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_DOUBLE }
        options { map_entry: true }
      }
      enum_type {
        name: "Mode"
        value { name: "OFF" number: 0 }
      }
      oneof_decl { name: "kind" }
    }
    message_type { name: "Gloss" }
    source_code_info {
      location {
        path: [ 12 ]
        span: [ 4, 0, 18 ]
        leading_detached_comments: " Of colours.\n\n   paint { hue: 3 }\n"
      }
      location {
        path: [ 4, 0 ]
        span: [ 8, 0, 19 ]
        leading_comments: " How it looks.\n"
      }
      location {
        path: [ 4, 0, 8, 0 ]
        span: [ 10, 0, 9 ]
        leading_comments: " A or B.\n"
      }
      location {
        path: [ 4, 0, 2, 0 ]
        span: [ 12, 0, 9 ]
        leading_comments: " In degrees; a|b,\n x < y.\n"
      }
      location {
        path: [ 4, 0, 4, 0, 2, 0 ]
        span: [ 17, 0, 9 ]
        leading_comments: " Nothing.\n"
      }
    }
  })pb";

FileDescriptorSet Paint() { return configs::ParseTextOrDie<FileDescriptorSet>(kPaint); }

std::string Page() {
  const auto page = ConfigReference(Paint());
  EXPECT_THAT(page, IsOk());
  return page.value_or("");
}

TEST(ConfigReferenceTest, AFileIsASectionWithItsCommentAndCode) {
  EXPECT_THAT(Page(),
              HasSubstr("\n## configs/paint.proto\n\nOf colours.\n\n```\npaint { hue: 3 }\n```\n"));
}

TEST(ConfigReferenceTest, AMessageIsASectionWithItsComment) {
  EXPECT_THAT(Page(), HasSubstr("\n### Paint\n\nHow it looks.\n\n| field | type |"));
}

TEST(ConfigReferenceTest, AFieldIsARowWithDefaultAndCommentOnOneLine) {
  EXPECT_THAT(Page(), HasSubstr("| `hue` | double | `0.7` | In degrees; a\\|b, x &lt; y. |\n"));
}

TEST(ConfigReferenceTest, TypesOfFieldsAreLinks) {
  EXPECT_THAT(Page(), HasSubstr("| `gloss` | [Gloss](#gloss) |  |  |\n"));
  EXPECT_THAT(Page(), HasSubstr("| `mode` | list of [Paint.Mode](#paintmode) |  |  |\n"));
  EXPECT_THAT(Page(), HasSubstr("| `option` | map from string to double |  |  |\n"));
}

TEST(ConfigReferenceTest, AMessageSaysWhereItIsUsed) {
  EXPECT_THAT(Page(), HasSubstr("### Gloss\n\nIn [Paint](#paint) as `gloss`.\n\nNo fields.\n"));
  EXPECT_THAT(Page(), Not(HasSubstr("as `hue`")));
}

TEST(ConfigReferenceTest, AlternativesAreNamedWithTheirComment) {
  EXPECT_THAT(Page(), HasSubstr("\nAlternatives: `hue`, `gloss`. A or B.\n"));
}

TEST(ConfigReferenceTest, AnEnumIsATableOfItsValues) {
  EXPECT_THAT(Page(), HasSubstr("\n#### Paint.Mode\n\n| value | |\n| --- | --- |\n"
                                "| `OFF` | Nothing. |\n"));
}

TEST(ConfigReferenceTest, NoFilesGiveAnIntroductionWithoutSections) {
  const auto page = ConfigReference({});
  ASSERT_THAT(page, IsOk());
  EXPECT_THAT(*page, HasSubstr("# Configuration\n"));
  EXPECT_THAT(*page, Not(HasSubstr("\n## ")));
}

TEST(ConfigReferenceTest, MissingImportIsAnError) {
  FileDescriptorSet files = Paint();
  files.mutable_file(0)->add_dependency("rcnn/configs/missing.proto");
  const auto page = ConfigReference(files);
  EXPECT_THAT(page,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rcnn/configs/paint.proto")));
}

}  // namespace
}  // namespace rcnn::tools
